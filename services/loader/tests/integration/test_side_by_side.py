"""Chunks whose order matters are loaded in parallel: the first record of a key wins all the same."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from uuid import UUID

import psycopg2
import pytest

from libs.common.datasets.definition import DatasetDefinition
from libs.devstack.testing.waiting import wait_for
from services.loader.chunk_loader import Outcome
from services.loader.tests.integration.conftest import LoadBench

TABLE = "CREATE TABLE feed.t (id int PRIMARY KEY, v text)"
DATASET = DatasetDefinition(table="feed.t", atomic=False)
HEADER = b"id,v\n"
PATIENCE = 30


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Give threads for two loaders."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


def add_job(bench: LoadBench, *parts: bytes) -> UUID:
    """Make the table and a job of one chunk for each part."""
    bench.execute(TABLE)
    starts = [len(HEADER) + sum(map(len, parts[:number])) for number in range(len(parts))]
    ends = [*starts[1:], None]
    lines = [2 + b"".join(parts[:number]).count(b"\n") for number in range(len(parts))]
    chunks = list(zip(starts, ends, lines, strict=True))
    return bench.add_job(HEADER + b"".join(parts), DATASET, chunks, at_once=2)


def rows(bench: LoadBench) -> list[tuple[object, ...]]:
    """Return what is in the target."""
    return bench.execute("SELECT * FROM feed.t ORDER BY id")


def begin(
    bench: LoadBench, pool: ThreadPoolExecutor, job_id: UUID, number: int, **settings: int
) -> Future[Outcome]:
    """Load a chunk in a thread; return once it is being loaded."""
    loading = pool.submit(bench.loader(**settings).load_chunk, job_id, number)
    wait_for(
        lambda: loading.done() or bench.chunk(job_id, number)["state"] == "running",
        PATIENCE,
        "the chunk is begun",
    )
    return loading


@contextmanager
def taken(bench: LoadBench, key: int) -> Iterator[None]:
    """Let whoever writes a key wait: somebody else has written it, and takes it back after the block."""
    with closing(psycopg2.connect(bench.database.superuser_dsn)) as other:
        with other.cursor() as cursor:
            cursor.execute("INSERT INTO feed.t VALUES (%s, 'taken')", (key,))
        yield
        other.rollback()


def waiting(bench: LoadBench, event: str) -> int:
    """Return how many loaders wait, for a lock or for their turn."""
    condition = {
        "lock": "wait_event_type = 'Lock'",
        "turn": "query LIKE '%adsp_look' AND backend_xid IS NOT NULL",
    }[event]
    [(count,)] = bench.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'adsp-loader'"
        f" AND datname = current_database() AND {condition}"
    )
    return int(count)


def begin_held(
    bench: LoadBench, pool: ThreadPoolExecutor, job_id: UUID, **settings: int
) -> Future[Outcome]:
    """Load the first chunk in a thread; return once it waits for a key that is taken."""
    loading = begin(bench, pool, job_id, 0, **settings)
    wait_for(lambda: waiting(bench, "lock") == 1, PATIENCE, "the first chunk waits")
    return loading


def test_a_chunk_is_committed_after_those_before_it(
    bench: LoadBench, pool: ThreadPoolExecutor
) -> None:
    job_id = add_job(bench, b"1,a\n2,b\n", b"3,c\n4,d\n")
    with taken(bench, 2):
        first = begin_held(bench, pool, job_id)
        second = begin(bench, pool, job_id, 1)
        wait_for(lambda: waiting(bench, "turn"), PATIENCE, "the second chunk has its rows written")
        seen = rows(bench)
        was_done = second.done()

    assert first.result(PATIENCE) is Outcome.LOADED
    assert second.result(PATIENCE) is Outcome.LOADED
    assert (seen, was_done) == ([], False)
    assert rows(bench) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_a_key_of_both_chunks_belongs_to_the_first(
    bench: LoadBench, pool: ThreadPoolExecutor
) -> None:
    """The second chunk waits for the fate of the row that the first has written."""
    job_id = add_job(bench, b"7,first\n2,b\n", b"3,c\n7,second\n")
    with taken(bench, 2):
        first = begin_held(bench, pool, job_id, block_bytes=8)
        second = begin(bench, pool, job_id, 1, block_bytes=8)
        wait_for(lambda: waiting(bench, "lock") == 2, PATIENCE, "the second chunk waits for 7")

    assert first.result(PATIENCE) is second.result(PATIENCE) is Outcome.LOADED
    assert rows(bench) == [(2, "b"), (3, "c"), (7, "first")]
    assert [failed[2] for failed in bench.failed_rows(job_id)] == [b"7,second"]


def test_a_chunk_gives_way_to_one_before_it_that_waits_for_its_rows(
    bench: LoadBench, pool: ThreadPoolExecutor
) -> None:
    """Each would else wait for the other for ever: one for its rows, one for its turn."""
    job_id = add_job(bench, b"2,b\n7,first\n", b"7,second\n3,c\n")
    with taken(bench, 2):
        first = begin_held(bench, pool, job_id, block_bytes=8)
        second = begin(bench, pool, job_id, 1)
        wait_for(lambda: waiting(bench, "turn"), PATIENCE, "the second chunk has its rows written")

    assert second.result(PATIENCE) is Outcome.GAVE_WAY
    assert first.result(PATIENCE) is Outcome.LOADED
    assert bench.announced.count(job_id) == 2
    chunk = bench.chunk(job_id, 1)
    assert (chunk["state"], chunk["next_attempt_at"]) == ("queued", None)
    assert bench.loader().load_chunk(job_id, 1) is Outcome.LOADED
    assert rows(bench) == [(2, "b"), (3, "c"), (7, "first")]


def test_a_chunk_gives_way_when_nobody_loads_one_before_it(bench: LoadBench) -> None:
    """Its own loader may be the only one there is."""
    job_id = add_job(bench, b"1,a\n", b"2,b\n")

    assert bench.loader().load_chunk(job_id, 1) is Outcome.GAVE_WAY
    assert rows(bench) == []
    assert bench.execute("SELECT * FROM adsp.chunk_leases") == []


def test_a_chunk_that_gave_way_is_not_tried_before_its_turn(
    bench: LoadBench, pool: ThreadPoolExecutor
) -> None:
    job_id = add_job(bench, b"1,a\n", b"2,b\n")
    assert bench.loader().load_chunk(job_id, 1) is Outcome.GAVE_WAY
    with taken(bench, 1):
        first = begin_held(bench, pool, job_id)

        assert bench.loader().load_chunk(job_id, 1) is Outcome.GAVE_WAY
    assert first.result(PATIENCE) is Outcome.LOADED
    assert bench.loader().load_chunk(job_id, 1) is Outcome.LOADED


def test_a_job_that_is_cancelled_lets_no_chunk_wait_for_its_turn(
    bench: LoadBench, pool: ThreadPoolExecutor
) -> None:
    job_id = add_job(bench, b"1,a\n", b"2,b\n")
    with taken(bench, 1):
        first = begin(bench, pool, job_id, 0)
        second = begin(bench, pool, job_id, 1)
        bench.execute("UPDATE adsp.jobs SET cancel_requested_at = now()")

        assert first.result(PATIENCE) is Outcome.CANCELLED
        assert second.result(PATIENCE) in {Outcome.CANCELLED, Outcome.GAVE_WAY}
    assert rows(bench) == []
