"""Run the four services as real processes for the end-to-end tests, and look at what they leave."""

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg2

from libs.client.client import Client
from libs.client.errors import ApiUnreachable
from libs.client.models import Job
from libs.devstack.child_process import ChildProcess
from libs.devstack.ports import LOOPBACK
from libs.devstack.service_process import service_command
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.waiting import wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = ("api", "worker", "loader", "scheduler")
QUICK = {
    "ADSP_AUTH": "off",
    "ADSP_REQUESTS_PER_MINUTE": "0",
    "ADSP_DISPATCH_SECONDS": "1",
    "ADSP_SWEEP_SECONDS": "1",
    "ADSP_LEASE_SECONDS": "3",
    "ADSP_HEARTBEAT_SECONDS": "0.5",
    "ADSP_RETRY_SECONDS": "0.1",
    "ADSP_SOURCE_SETTLE_SECONDS": "0.1",
    "ADSP_CHUNK_BYTES": str(1 << 16),
    "ADSP_READ_FIRST_BYTES": "0",
    "ADSP_SMALL_LOAD_BYTES": str(1 << 20),
}
"""Settings that make waiting short; what is waited for stays the same. Keys and limits have tests of their own."""


@dataclass
class System:
    """The running services, a folder of sources, and a client of the api."""

    folder: Path
    database: ScratchDatabase
    environment_of: Callable[[str], dict[str, str]]
    port: int
    processes: dict[str, ChildProcess] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    """What the services' environment has besides or instead of `QUICK`."""
    host: str = LOOPBACK
    """The api's address."""

    @property
    def incoming(self) -> Path:
        """Return the folder that sources lie in."""
        return self.folder / "incoming"

    @property
    def client(self) -> Client:
        """Return a new client of the api; a test sees each answer, also one that would pass."""
        return Client(self.url, retry_seconds=0)

    @property
    def url(self) -> str:
        """Return where the api answers."""
        return f"http://{self.host}:{self.port}"

    def start(self, name: str, **variables: str) -> None:
        """Start a service; what follows a hyphen in its name tells two of a kind apart."""
        environment = self._environment(name.partition("-")[0]) | variables
        self.processes[name] = ChildProcess.start(service_command(name, environment, self.folder))

    def wait_ready(self) -> None:
        """Wait until the api is ready for traffic."""
        wait_for(self._is_ready, 60, "the api is ready")

    def kill(self, service: str) -> None:
        """End a service as kill -9 does."""
        child = self.processes.pop(service).process
        child.send_signal(signal.SIGKILL)
        child.wait(10)

    @contextmanager
    def restarted(self, *services: str, **variables: str) -> Iterator[None]:
        """Start services anew with other settings while the block runs, and in the end as they were."""
        self._restart(services, variables)
        try:
            yield
        finally:
            self._restart(services, {})

    def _restart(self, services: Sequence[str], variables: dict[str, str]) -> None:
        for service in services:
            self.processes.pop(service).stop(20)
            self.start(service, **variables)
        self.wait_ready()

    def stop(self) -> None:
        """Stop all services, the last started first."""
        for service in reversed(list(self.processes)):
            self.processes.pop(service).stop(20)

    def log_lines(self, service: str) -> list[dict[str, Any]]:
        """Return the events that a service has logged."""
        lines = (self.folder / f"{service}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def make_table(self, name: str) -> str:
        """Make a target table shaped like the sample, and return its name with its schema."""
        table = f"public.{name}"
        self.execute(
            f"CREATE TABLE {table} (LIKE public.items INCLUDING ALL);"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO adsp_loader"
        )
        return table

    def execute(self, statement: str) -> None:
        """Run SQL as the owner."""
        self.query(statement)

    def count(self, table: str) -> int:
        """Return the number of rows in a table."""
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])

    def wait_over(self, job: Job, seconds: float = 60) -> Job:
        """Wait for a job's end and return it."""
        with self.client as client:
            return client.wait(job, seconds=seconds)

    def wait_held(self, seconds: float = 60) -> None:
        """Wait until a loader's backend waits for a lock."""
        wait_for(self.is_held, seconds, "the load is held up")

    def is_held(self) -> bool:
        """Return whether a loader's backend waits for a lock."""
        locks = "pg_locks JOIN adsp.chunk_leases ON pid = backend_pid WHERE NOT granted"
        return self.count(locks) > 0

    @contextmanager
    def holding(self, statement: str) -> Iterator[None]:
        """Hold what a statement locks while the block runs."""
        with closing(psycopg2.connect(self.database.dsn_for("owner"))) as connection:
            with connection.cursor() as cursor:
                cursor.execute(statement)
            yield
            connection.rollback()

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run SQL as the owner and return its rows."""
        connection = psycopg2.connect(self.database.dsn_for("owner"))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def _is_ready(self) -> bool:
        try:
            with self.client as client:
                return client.get("/readyz").status_code == httpx.codes.OK
        except ApiUnreachable:
            return False

    def _environment(self, service: str) -> dict[str, str]:
        return {
            **QUICK,
            **self.environment_of("worker" if service == "scheduler" else service),
            "ADSP_SOURCE_ROOTS": json.dumps([str(self.incoming)]),
            "ADSP_UPLOAD_DIR": str(self.folder / "uploads"),
            "ADSP_API_HOST": self.host,
            "ADSP_API_PORT": str(self.port),
            **self.variables,
        }
