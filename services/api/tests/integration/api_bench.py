"""Serve the api to its tests, and arrange in the ledger what the other services would do."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from psycopg2.extensions import connection as Connection
from structlog.testing import capture_logs

from libs.devstack.testing.waiting import wait_for
from services.api.app import Api, create_app
from services.api.settings import ApiSettings

SettingsWith = Callable[..., ApiSettings]
MakeKey = Callable[..., str]
ITEMS = {"table": "public.items", "source": "items-{data_date}.csv"}
HEADER = ("sku", "name", "category", "price", "quantity", "updated_at")


@contextmanager
def serving(settings: ApiSettings) -> Iterator[httpx.Client]:
    """Serve the api on a free port and give a client of it."""
    with serving_app(create_app(settings)) as client:
        yield client


@contextmanager
def serving_app(app: Api) -> Iterator[httpx.Client]:
    """Serve an app that was made already."""
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    # Kept from the terminal: structlog unconfigured would draw every local variable of a traceback.
    with capture_logs():
        thread.start()
        yield from _client_of(server, thread)


def _client_of(server: uvicorn.Server, thread: threading.Thread) -> Iterator[httpx.Client]:
    try:
        wait_for(lambda: server.started or not thread.is_alive(), 10, "the api has started")
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def silent_server() -> Iterator[int]:
    """Give the port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def problem_of(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, code and detail of a problem, after a look at its form."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:adsp:problem:{body['code']}"
    assert body["title"]
    assert body["instance"] == answer.request.url.raw_path.partition(b"?")[0].decode()
    assert body["request_id"] == answer.headers["x-request-id"]
    return answer.status_code, body["code"], body["detail"]


class Ledger:
    """A superuser's look at the ledger, to arrange what the other services would do."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows, if it has any."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def held(self, statement: str) -> Iterator[None]:
        """Run a statement in a transaction that lasts as long as the context."""
        self.execute("BEGIN")
        try:
            self.execute(statement)
            yield
        finally:
            self.execute("ROLLBACK")

    def value(self, statement: str, *parameters: object) -> Any:
        """Return the one value that a query gives."""
        [(value,)] = self.execute(statement, *parameters)
        return value

    def plan(
        self, job_id: str, path: Path, chunks: int = 1, header: Sequence[str] = HEADER
    ) -> None:
        """Do what a worker's plan does: the job runs and has chunks."""
        status = path.stat()
        self.execute(
            "UPDATE adsp.jobs SET state = 'running', source_path = %s, source_mtime_ns = %s,"
            " bytes_total = %s, header = %s, attempt = 1, started_at = now() WHERE id = %s",
            str(path),
            status.st_mtime_ns,
            status.st_size,
            list(header),
            job_id,
        )
        self.execute(
            "INSERT INTO adsp.chunks (job_id, number, byte_start, first_line)"
            " SELECT %s, n, n * 100, n + 1 FROM generate_series(0, %s - 1) AS n",
            job_id,
            chunks,
        )

    def add_failed_row(self, job_id: str, offset: int, raw: bytes, **reason: Any) -> None:
        """Put a failed row on record, as a loader does."""
        given = {
            "line_number": offset + 2,
            "stage": "convert",
            "error_code": "type-error",
            "column_name": None,
            "sqlstate": None,
            "message": "wrong",
            "record_bytes": None,
            **reason,
        }
        self.execute(
            "INSERT INTO adsp.failed_rows (job_id, chunk_number, byte_offset, raw, line_number,"
            " stage, error_code, column_name, sqlstate, message, record_bytes)"
            " VALUES (%s, 0, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            job_id,
            offset,
            raw,
            *given.values(),
        )
