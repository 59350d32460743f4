"""DDL on the ledger does not wait for loads, and a load does not end for DDL: what an upgrade does while loads run."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from libs.common.datasets.definition import DatasetDefinition
from libs.devstack.testing.waiting import wait_for
from services.loader.chunk_loader import Outcome
from services.loader.tests.integration.conftest import LoadBench

TABLE = (
    "CREATE TABLE feed.parent (id int PRIMARY KEY); INSERT INTO feed.parent VALUES (1), (2);"
    "CREATE TABLE feed.t (id int PRIMARY KEY, v text, parent int REFERENCES feed.parent);"
    "INSERT INTO feed.t VALUES (1, 'before', 1)"
)
GOOD = b"".join(b"%d,v,%d\n" % (n, 2 if n == 20 else 1) for n in range(10, 30))
BAD = b"x,bad,1\n" * 3
HEADER = b"id,v,parent\n"
LEDGER = ("jobs", "chunks", "chunk_leases", "failed_rows", "datasets")
WAYS: dict[str, dict[str, Any]] = {
    "append": {},
    "chunks": {"atomic": False},
    "replace": {"mode": "replace"},
    "upsert": {"mode": "upsert", "key": ["id"]},
}
PATIENCE = 30


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Give threads for two loaders and a person."""
    with ThreadPoolExecutor(3) as threads:
        yield threads


def dataset(way: str) -> DatasetDefinition:
    """Return a dataset of feed.t that is loaded this way."""
    return DatasetDefinition.model_validate({"table": "feed.t", **WAYS[way]})


@contextmanager
def held_parent(bench: LoadBench) -> Iterator[Connection]:
    """Let whoever writes a row with parent 2 wait, in the middle of a load."""
    with closing(psycopg2.connect(bench.database.superuser_dsn)) as other:
        with other.cursor() as cursor:
            cursor.execute("SELECT FROM feed.parent WHERE id = 2 FOR UPDATE")
        yield other
        other.rollback()


def begin(
    bench: LoadBench, pool: ThreadPoolExecutor, job_id: UUID, number: int = 0, **settings: float
) -> Future[Outcome]:
    """Load a chunk in a thread; return once it waits for what is held."""
    loader = bench.loader(block_bytes=60, **settings)
    loading = pool.submit(loader.load_chunk, job_id, number)
    wait_for(lambda: loading.done() or is_held(bench), PATIENCE, "the load is held up")
    assert not loading.done()
    return loading


def is_held(bench: LoadBench) -> bool:
    """Return whether a loader's transaction that has written waits for a lock."""
    return bool(
        bench.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'adsp-loader'"
            " AND wait_event_type = 'Lock' AND datname = current_database()"
            " AND backend_xid IS NOT NULL"
        )
    )


def alter(bench: LoadBench, table: str) -> None:
    """Do what a migration does: add a column, and take it back."""
    for change in ("ADD COLUMN of_test int", "DROP COLUMN of_test"):
        bench.execute(f"SET lock_timeout = '2s'; ALTER TABLE adsp.{table} {change}")


@pytest.mark.parametrize("bad", [b"", BAD], ids=["clean", "failed rows"])
@pytest.mark.parametrize("way", WAYS)
def test_every_table_of_the_ledger_can_be_altered_while_a_load_copies(
    bench: LoadBench, pool: ThreadPoolExecutor, way: str, bad: bytes
) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(HEADER + bad + GOOD + bad, dataset(way))
    with held_parent(bench):
        loading = begin(bench, pool, job_id)
        for table in LEDGER:
            alter(bench, table)
        held = is_held(bench)

    assert loading.result(PATIENCE) is Outcome.LOADED
    assert held
    chunk = bench.chunk(job_id)
    assert (chunk["rows_loaded"], chunk["rows_rejected"]) == (20, 2 * len(bad.splitlines()))
    assert len(bench.failed_rows(job_id)) == chunk["rows_rejected"]


@pytest.mark.parametrize("table", LEDGER[:-1])
@pytest.mark.parametrize("is_unread", [False, True], ids=["read", "unread"])
def test_a_load_waits_at_its_end_for_ddl_that_takes_longer_than_its_lease(
    bench: LoadBench, pool: ThreadPoolExecutor, table: str, *, is_unread: bool
) -> None:
    """Its beats are in vain meanwhile, which must not lose its work; of the jobs it may need to note the content."""
    bench.execute(TABLE)
    job_id = bench.add_job(HEADER + BAD + GOOD, dataset("append"), is_unread=is_unread)
    with closing(psycopg2.connect(bench.database.superuser_dsn)) as person:
        with held_parent(bench):
            loading = begin(bench, pool, job_id, lease_seconds=2)
            with person.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '2s'; LOCK TABLE adsp.{table}")
        until = monotonic() + 3
        wait_for(lambda: monotonic() > until, PATIENCE, "the lease has expired")
        was_done = loading.done()
        person.rollback()

    assert loading.result(PATIENCE) is Outcome.LOADED
    assert was_done is (table == "jobs" and not is_unread)
    assert bench.chunk(job_id)["rows_loaded"] == 20


def test_nobody_loads_a_chunk_beside_a_transaction_that_still_copies_it(
    bench: LoadBench, pool: ThreadPoolExecutor
) -> None:
    """Also when its lease has expired: the fence decides, and nobody waits for it."""
    bench.execute(TABLE)
    job_id = bench.add_job(HEADER + GOOD, dataset("append"))
    with held_parent(bench):
        loading = begin(bench, pool, job_id, heartbeat_seconds=60)
        bench.execute("UPDATE adsp.chunk_leases SET expires_at = now() - interval '1 second'")
        second = pool.submit(bench.loader().load_chunk, job_id, 0).result(PATIENCE)
        still_held = is_held(bench)

    assert second is Outcome.SKIPPED
    assert still_held
    assert loading.result(PATIENCE) is Outcome.LOADED
    assert bench.chunk(job_id)["attempt"] == 1
    assert len(bench.execute("SELECT 1 FROM feed.t")) == 21


@pytest.mark.parametrize("way", WAYS)
def test_who_lost_the_lease_commits_nothing_however_late_it_hears_of_it(
    bench: LoadBench, pool: ThreadPoolExecutor, way: str
) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(HEADER + BAD + GOOD, dataset(way))
    with held_parent(bench):
        loading = begin(bench, pool, job_id, heartbeat_seconds=60)
        bench.execute("UPDATE adsp.chunk_leases SET holder = 'somebody else'")

    assert loading.result(PATIENCE) is Outcome.SKIPPED
    assert bench.execute("SELECT id FROM feed.t") == [(1,)]
    assert bench.failed_rows(job_id) == []
    assert bench.chunk(job_id)["state"] == "running"
    assert len(bench.execute("SELECT 1 FROM adsp.chunk_leases")) == 1
