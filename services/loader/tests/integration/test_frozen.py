"""A loader that is frozen while it speaks with the ledger keeps nothing locked that others need to go on."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from libs.common.datasets.definition import DatasetDefinition
from libs.devstack.testing.waiting import wait_for
from services.loader import chunk_retry
from services.loader.leasing.chunk_ends import close_chunk
from services.loader.leasing.chunks import ChunkKey
from services.loader.leasing.lease import Heartbeat
from services.loader.tests.integration.conftest import LoadBench

TABLE = "CREATE TABLE feed.t (id int PRIMARY KEY)"
DATASET = DatasetDefinition(table="feed.t", max_rejected_rows=0)
PATIENCE = 30


class Freeze:
    """Stops a thread where it calls `here`, as SIGSTOP stops a process anywhere."""

    def __init__(self) -> None:
        """Stop nobody yet."""
        self._is_reached, self._is_over = threading.Event(), threading.Event()

    def here(self) -> None:
        """Stop until it is over."""
        self._is_reached.set()
        self._is_over.wait(2 * PATIENCE)

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """Wait until somebody is frozen, and let it go on after the block."""
        try:
            assert self._is_reached.wait(PATIENCE)
            yield
        finally:
            self._is_over.set()


def is_free(bench: LoadBench, table: str) -> bool:
    """Return whether no row of a table of the ledger is locked."""
    try:
        bench.execute(f"SELECT FROM adsp.{table} FOR UPDATE NOWAIT")
    except LockNotAvailable:
        return False
    return True


def test_in_a_heartbeat_the_lease_is_not_locked(bench: LoadBench) -> None:
    """Whoever has to delete or take an expired lease would wait for as long as the loader is frozen."""
    job_id = bench.add_job(b"", DATASET)
    bench.execute(
        "INSERT INTO adsp.chunk_leases (job_id, chunk_number, holder, backend_pid, backend_start, expires_at)"
        " VALUES (%s, 0, 'me', 0, now(), now())",
        str(job_id),
    )
    freeze = Freeze()

    class FreezingCursor(Cursor):
        def execute(self, *arguments: Any) -> None:
            super().execute(*arguments)
            freeze.here()

    def connect() -> Connection:
        return psycopg2.connect(bench.database.dsn_for("loader"), cursor_factory=FreezingCursor)

    loading = psycopg2.connect(bench.database.dsn_for("loader"))
    key = ChunkKey(job_id, 0, "me")
    heartbeat = Heartbeat(connect, bench.cached(loading), key, bench.settings())
    heartbeat.start()
    with freeze.lasting():
        renewed = bench.execute("SELECT 1 FROM adsp.chunk_leases WHERE expires_at > now()")
        free = is_free(bench, "chunk_leases")
    heartbeat.stop()
    loading.close()

    assert len(renewed) == 1
    assert free


def test_in_the_record_of_a_failure_the_chunk_is_free_when_the_lease_expires(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease names the backend that loads, not the one that records: the sweep cannot end that one."""
    bench.execute(TABLE)
    job_id = bench.add_job(b"id\nx\n", DATASET)
    freeze = Freeze()

    def close_and_freeze(*arguments: Any) -> bool:
        is_closed = close_chunk(*arguments)
        freeze.here()
        return is_closed

    monkeypatch.setattr(chunk_retry, "close_chunk", close_and_freeze)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(bench.loader(lease_seconds=2).load_chunk, job_id, 0)
        with freeze.lasting():
            was_free = is_free(bench, "chunks")
            wait_for(lambda: is_free(bench, "chunks"), PATIENCE, "Postgres ends the transaction")
            assert not loading.done()
        with pytest.raises(psycopg2.OperationalError):
            loading.result(PATIENCE)

    assert not was_free
    assert bench.chunk(job_id)["state"] == "running"
    assert bench.failed_rows(job_id) == []
