"""Run a stack that belongs to one benchmark: real servers, api, worker and two loaders.

The services run with the product's defaults. There is no scheduler: nothing here is due by the
clock. Everything lies in one folder that is removed in the end.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg2

from libs.client.client import Client
from libs.devstack.addresses import Credentials, Role, StackAddresses
from libs.devstack.child_process import ChildProcess
from libs.devstack.os_user import machine_folder, make_own_folder
from libs.devstack.ports import LOOPBACK, free_port
from libs.devstack.servers import StackPlan, start_servers
from libs.devstack.service_process import service_command
from migrations.runner import upgrade
from tools.bench.ledger import Ledger
from tools.local_env.control import answers

LOADERS = 2
_READY_SECONDS = 90.0
_STOP_SECONDS = 20.0


@dataclass
class BenchSystem:
    """The running stack of a benchmark."""

    folder: Path
    addresses: StackAddresses
    api_port: int = field(default_factory=free_port)
    services: list[ChildProcess] = field(default_factory=list)

    @property
    def incoming(self) -> Path:
        """Return the folder that sources lie in."""
        return self.folder / "incoming"

    @property
    def dsn(self) -> str:
        """Return libpq's URL of the database, entered as the owner."""
        return self.addresses.postgres_dsn("owner")

    @property
    def client(self) -> Client:
        """Return a new client of the api."""
        return Client(f"http://{LOOPBACK}:{self.api_port}")

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Open the database as the administrator, who may checkpoint."""
        connection = psycopg2.connect(self.addresses.superuser_dsn("adsp"))
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield Ledger(cursor)
        finally:
            connection.close()

    def loader_pids(self) -> list[int]:
        """Return the process number of each loader's parent."""
        return self.service_pids()["loader"]

    def service_pids(self) -> dict[str, list[int]]:
        """Return the process numbers of the parents of each kind of service."""
        pids: dict[str, list[int]] = {}
        for child in self.services:
            pids.setdefault(child.command.name.partition("-")[0], []).append(child.pid)
        return pids

    def start_services(self) -> None:
        """Start the services and return when they answer."""
        self._start("api", {"ADSP_API_PORT": str(self.api_port)})
        ready = {"api": f"http://{LOOPBACK}:{self.api_port}/readyz"}
        for name in ("worker", *(f"loader-{number + 1}" for number in range(LOADERS))):
            port = free_port()
            self._start(name, {"ADSP_METRICS_PORT": str(port)})
            ready[name] = f"http://{LOOPBACK}:{port}/metrics"
        for child in self.services:
            child.wait_ready(partial(answers, ready[child.command.name]), _READY_SECONDS)

    def stop_services(self) -> None:
        """Stop the services, the last started first."""
        for child in self.services:
            child.ask_to_stop()
        for child in reversed(self.services):
            child.stop(_STOP_SECONDS)

    def _start(self, name: str, variables: Mapping[str, str]) -> None:
        role: Role = name.partition("-")[0]  # type: ignore[assignment]  # a service is called as its role
        environment = {
            **self.addresses.environment(role),
            "ADSP_SOURCE_ROOTS": json.dumps([str(self.incoming)]),
            "ADSP_UPLOAD_DIR": str(self.folder / "uploads"),
            "ADSP_AUTH": "off",
            **variables,
        }
        command = service_command(name, environment, self.folder / "logs")
        self.services.append(ChildProcess.start(command))


@contextmanager
def bench_system() -> Iterator[BenchSystem]:
    """Start the whole stack, and stop and remove it in the end."""
    folder = make_own_folder(machine_folder() / f"bench-{os.getpid()}")
    try:
        yield from _run(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path) -> Iterator[BenchSystem]:
    plan = StackPlan(folder / "data", folder / "logs", durable=True, credentials=Credentials())
    servers = start_servers(plan)
    system = BenchSystem(folder, servers.addresses)
    try:
        upgrade(system.addresses.database_url("owner"))
        make_own_folder(system.incoming)
        make_own_folder(folder / "uploads")
        system.start_services()
        yield system
    finally:
        system.stop_services()
        servers.stop()
