"""Run a stack that belongs to one benchmark: real servers, api, worker and two loaders.

The services run with the product's defaults. There is no scheduler: nothing here is due by the
clock. Everything lies in one folder that is removed in the end.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from libs.client.client import Client
from libs.devstack.addresses import Credentials, Role, StackAddresses
from libs.devstack.child_process import ChildProcess, Command
from libs.devstack.os_user import Account, machine_folder, make_own_folder
from libs.devstack.ports import LOOPBACK, free_port
from libs.devstack.servers import StackPlan, start_servers
from migrations.runner import upgrade
from tools.bench.ledger import Ledger
from tools.bootstrap.locations import ROOT
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
        return [child.pid for child in self.services if child.command.name.startswith("loader")]

    def start_services(self) -> None:
        """Start the services and return when they answer."""
        self._start("api", "api", "api", None)
        self._start("worker", "worker", "worker", free_port())
        for number in range(LOADERS):
            self._start(f"loader-{number + 1}", "loader", "loader", free_port())
        for child in self.services:
            url = child.command.environment["ADSP_BENCH_READY_URL"]
            child.wait_ready(lambda url=url: answers(url), _READY_SECONDS)  # type: ignore[misc]

    def stop_services(self) -> None:
        """Stop the services, the last started first."""
        for child in self.services:
            child.ask_to_stop()
        for child in reversed(self.services):
            child.stop(_STOP_SECONDS)

    def _start(self, name: str, service: str, role: Role, metrics_port: int | None) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)]
            ),
            "ADSP_DATABASE_URL": self.addresses.database_url(role),
            "ADSP_BROKER_URL": self.addresses.broker_url(),
            "ADSP_REDIS_URL": self.addresses.redis_url(),
            "ADSP_SOURCE_ROOTS": json.dumps([str(self.incoming)]),
            "ADSP_UPLOAD_DIR": str(self.folder / "uploads"),
            "ADSP_LOG_FORMAT": "json",
            "ADSP_AUTH": "off",
        }
        if metrics_port is None:
            environment["ADSP_API_PORT"] = str(self.api_port)
            ready = f"http://{LOOPBACK}:{self.api_port}/readyz"
        else:
            environment["ADSP_METRICS_PORT"] = str(metrics_port)
            ready = f"http://{LOOPBACK}:{metrics_port}/metrics"
        environment["ADSP_BENCH_READY_URL"] = ready
        self.services.append(
            ChildProcess.start(
                Command(
                    name=name,
                    arguments=[sys.executable, "-P", "-m", f"services.{service}.main"],
                    environment=environment,
                    folder=ROOT,
                    log=self.folder / "logs" / f"{name}.log",
                    account=Account(os.geteuid(), os.getegid()),
                )
            )
        )


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
