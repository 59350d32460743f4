"""Run ADSP on several hosts: servers, store, api, worker, scheduler and each loader on one of their own.

All goes over the network: sources and uploads lie in a bucket, and each service has folders of its own.
"""

import json
import os
import random
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit

from libs.client.client import Client
from libs.common.enums import Scope
from libs.devstack.addresses import Credentials, Role, StackAddresses
from libs.devstack.os_user import machine_folder
from libs.devstack.servers import RunningServers, StackPlan, start_servers
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.stores import ServedStore, s3_server
from libs.devstack.testing.waiting import wait_for
from libs.devstack.waiting import wait_until
from migrations.runner import upgrade
from tests.endtoend.system import System
from tests.faults.harness.clients import Accepted, Feed, make_table
from tests.faults.harness.contents import write_content
from tests.faults.harness.machine import PATIENT, descendants, send_signal
from tests.faults.harness.verdicts import Verdict, judge
from tests.hosts.clocks import clock_variables
from tests.hosts.network import Host, Network, running_network
from tools.local_env.keystore import LOCAL, KeyStore

LOADERS = ("loader-1", "loader-2", "loader-3", "loader-4")
SERVICES = ("api", "worker", "scheduler", *LOADERS)
SPARE = "worker-2"
"""A host on which nothing runs at first."""
_API_PORT = 8000


@dataclass
class SpreadSystem(System):
    """Services that run each on the host of its name, with folders that no other one sees."""

    hosts: dict[str, Host] = field(default_factory=dict)
    key: str = ""

    @property
    def client(self) -> Client:
        """Return a new client of the api, with a key: without keys it serves the loopback alone."""
        return Client(self.url, key=self.key, retry_seconds=0)

    def start(self, name: str, **variables: str) -> None:
        """Start a service on its host."""
        own = self.folder / name
        own.mkdir(exist_ok=True)
        apart = {
            "ADSP_SOURCE_ROOTS": "[]",
            "ADSP_UPLOAD_DIR": str(own / "uploads"),
            "ADSP_SPOOL_DIR": str(own),
        }
        with self.hosts[name].namespace.entered():
            super().start(name, **apart, **variables)


@dataclass
class Site:
    """Hosts with everything that runs on them; only who is `inside` reaches them."""

    network: Network
    servers: RunningServers
    store: ServedStore
    system: SpreadSystem
    wrong_clocks: set[str] = field(default_factory=set)

    def inside(self) -> AbstractContextManager[None]:
        """Have this thread reach the hosts while the block runs."""
        return self.network.switch.entered()

    @property
    def addresses(self) -> StackAddresses:
        """Return where the servers listen."""
        return self.servers.addresses

    @property
    def store_port(self) -> int:
        """Return the port that the bucket is served at."""
        return urlsplit(self.store.connection["endpoint"]).port or 0

    def host(self, name: str) -> Host:
        """Return a host by its name."""
        return self.network.hosts[name]

    def deliver(self, rows: int, **definition: Any) -> Accepted:
        """Put a file into the bucket, make its table and dataset, and ask for it to be loaded in chunks."""
        name = f"hosts-{uuid.uuid4().hex[:8]}"
        table = make_table(self.system, name.replace("-", "_"), keyed=False)
        content = write_content(self.system.folder / f"{name}.csv", random.Random(rows), rows)
        self.store.put(f"feeds/{content.path.name}", content.path.read_bytes())
        whole = {
            "table": table,
            "source": f"s3://landing/feeds/{content.path.name}",
            "mode": "append",
            "atomic": False,
            **definition,
        }
        with self.system.client as client:
            client.put_dataset(name, whole)
            job = client.submit(dataset=name)
        return Accepted(job.id, Feed(name, table, whole, [content]), content)

    def wait_chunks(self, job: Accepted, done: int = 1, seconds: float = 60) -> None:
        """Wait until so many chunks of a job are loaded."""
        loaded = f"adsp.chunks WHERE job_id = '{job.job_id}' AND state = 'done'"
        wait_for(lambda: self.system.count(loaded) >= done, seconds, f"{done} chunks are loaded")

    def is_open(self, job: Accepted) -> bool:
        """Return whether a job has not ended."""
        return self.system.count(f"adsp.jobs WHERE id = '{job.job_id}' AND finished_at IS NULL") > 0

    def wait_over(self, job: Accepted, seconds: float) -> Verdict:
        """Wait until a job has ended, while nobody fixes anything, and compare its rows with its file."""
        if not wait_until(lambda: not self.is_open(job), seconds):
            return Verdict(faults=[f"job {job.job_id} is not over after {seconds:.0f} s"])
        return judge(self.system, [job])

    def chunks_by_loader(self, job: Accepted) -> dict[str, int]:
        """Return how many chunks of a job each loader has loaded."""
        return {name: self.events_of(name, job).count("chunk_loaded") for name in LOADERS}

    def events_of(self, service: str, job: Accepted) -> list[str]:
        """Return the names of what a service has logged about a job."""
        lines = self.system.log_lines(service)
        return [line["event"] for line in lines if line.get("job_id") == job.job_id]

    def lose(self, service: str) -> None:
        """Have a host die: nobody hears of its end, no connection of it is closed."""
        self.host(service).unplug()
        child = self.system.processes.pop(service)
        for pid in [child.pid, *descendants(child.pid)]:
            send_signal(pid, SIGKILL)
        child.process.wait(10)

    def set_clock(self, service: str, minutes: int) -> None:
        """Start a service again with a clock that is wrong by so many minutes."""
        self.system.kill(service)
        self.system.start(service, **clock_variables(self.system.folder, minutes))
        self.wrong_clocks.add(service)

    def revive(self) -> None:
        """Heal the network, let every service run with the right clock, and none on the spare host."""
        self.network.heal()
        for name in {SPARE, *self.wrong_clocks} & set(self.system.processes):
            self.system.kill(name)
        self.wrong_clocks.clear()
        for name in SERVICES:
            child = self.system.processes.get(name)
            if child is None or not child.is_alive():
                self.system.start(name)
        self.system.wait_ready()

    def keep_logs(self) -> Path:
        """Copy the logs out of the folder that is removed in the end."""
        kept = Path(mkdtemp(prefix="hosts-logs-", dir=machine_folder()))
        for log in [*self.system.folder.glob("*.log"), *self.system.folder.parent.glob("logs/*")]:
            shutil.copy(log, kept)
        return kept


@contextmanager
def running_site(**variables: str) -> Iterator[Site]:
    """Make hosts and start everything on them; in the end nothing is left."""
    folder = Path(mkdtemp(prefix="hosts-", dir=machine_folder()))
    folder.chmod(0o755)
    parts = ExitStack()
    try:
        with running_network(["servers", "store", *SERVICES, SPARE]) as network:
            try:
                with network.switch.entered():
                    site = _start(parts, network, folder, variables)
                yield site
            finally:
                with network.switch.entered():
                    parts.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(parts: ExitStack, network: Network, folder: Path, variables: dict[str, str]) -> Site:
    """Start everything; `parts` stops it."""
    servers = parts.enter_context(_serving(network.hosts["servers"], folder))
    store = parts.enter_context(_store(network.hosts["store"]))
    services = _services(network, servers, store, folder / "work", variables)
    return Site(network, servers, store, parts.enter_context(services))


@contextmanager
def _serving(host: Host, folder: Path) -> Iterator[RunningServers]:
    """Run Postgres, RabbitMQ and Valkey on a host."""
    plan = StackPlan(
        folder / "data",
        folder / "logs",
        durable=False,
        credentials=Credentials(),
        host=host.address,
    )
    with host.namespace.entered():
        servers = start_servers(plan)
    try:
        upgrade(servers.addresses.database_url("owner"))
        yield servers
    finally:
        servers.stop()


@contextmanager
def _store(host: Host) -> Iterator[ServedStore]:
    """Serve a bucket on a host: its socket is made there, its threads need not be."""
    with ExitStack() as stack:
        with host.namespace.entered():
            store = stack.enter_context(s3_server(host=host.address))
        yield store


@contextmanager
def _services(
    network: Network,
    servers: RunningServers,
    store: ServedStore,
    folder: Path,
    variables: dict[str, str],
) -> Iterator[SpreadSystem]:
    """Run the services; kill them in the end."""
    folder.mkdir()
    addresses = servers.addresses

    def environment_of(role: str) -> dict[str, str]:
        known: Role = role  # type: ignore[assignment]  # a service is called as its role
        return addresses.environment(known)

    api = network.hosts["api"].address
    system = SpreadSystem(
        folder, ScratchDatabase("adsp", addresses), environment_of, _API_PORT, host=api
    )
    system.hosts = network.hosts
    system.variables.update({**PATIENT, "ADSP_AUTH": "on", **_bucket_settings(store), **variables})
    system.key = _make_key(addresses)
    try:
        for service in SERVICES:
            system.start(service)
        system.wait_ready()
        yield system
    finally:
        for name in list(system.processes):
            system.kill(name)


def _make_key(addresses: StackAddresses) -> str:
    variables = {**os.environ, "ADSP_DATABASE_URL": addresses.database_url("owner")}
    return KeyStore(LOCAL, variables).create("hosts", "tests", [Scope.ADMIN]).text


def _bucket_settings(store: ServedStore) -> dict[str, str]:
    """Return the settings that lead to the bucket for sources and for what is uploaded."""
    prefixes = {"landing": "feeds/", "uploads": "sent/"}
    connections = {name: {**store.connection, "prefix": each} for name, each in prefixes.items()}
    return {
        "ADSP_CONNECTIONS": json.dumps(connections),
        "ADSP_UPLOAD_STORE": "s3://landing/sent/",
    }
