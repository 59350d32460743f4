"""A cancelled job ends within seconds, wherever it is, also while nobody sweeps."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest

from libs.client.models import Job
from tests.endtoend.system import System
from tools.client.sample_items import write_items

SOON = 15


@pytest.fixture
def unswept(system: System) -> Iterator[System]:
    """Return the system without its clock: no sweep brings back what a message has missed."""
    system.kill("scheduler")
    yield system
    system.start("scheduler")


@contextmanager
def _held_at(system: System, table: str, source: Path, line: int) -> Iterator[None]:
    """Let a load wait in the middle: somebody else has inserted the key of this line and not committed."""
    key = source.read_text().splitlines()[line].partition(",")[0]
    connection = psycopg2.connect(system.database.dsn_for("owner"))
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} VALUES (%s, 'held', 'held', 1, 1, now())",  # a name of the test
                (key,),
            )
        yield
    finally:
        connection.rollback()
        connection.close()


def _adds_up(job: Job) -> bool:
    parts = job.rows_loaded + job.rows_rejected + job.rows_superseded
    return bool(job.rows_read == parts)


def test_an_atomic_job_that_is_cancelled_in_the_middle_leaves_no_rows(unswept: System) -> None:
    table = unswept.make_table("stopped")
    source = unswept.incoming / "stopped.csv"
    write_items(source, 30_000)
    with unswept.client as client, _held_at(unswept, table, source, 29_000):
        client.put_dataset("stopped", {"table": table, "source": "stopped.csv"})
        job = client.submit(dataset="stopped")
        unswept.wait_held()

        asked = client.cancel(job.id)
        ended = unswept.wait_over(job, SOON)

    assert asked.cancel_requested_at
    assert (ended.state, ended.rows_loaded, _adds_up(ended)) == ("cancelled", 0, True)
    assert unswept.count(table) == 0


def test_a_chunked_job_that_is_cancelled_keeps_the_chunks_that_are_done(unswept: System) -> None:
    """They stay and count; the rest is not loaded, and the next job of the content goes on there."""
    table = unswept.make_table("half")
    source = unswept.incoming / "half.csv"
    write_items(source, 30_000)
    with unswept.client as client:
        with _held_at(unswept, table, source, 15_000):
            client.put_dataset("half", {"table": table, "source": "half.csv", "atomic": False})
            job = client.submit(dataset="half")
            unswept.wait_held()

            client.cancel(job.id)
            ended = unswept.wait_over(job, SOON)

        assert (ended.state, _adds_up(ended)) == ("cancelled", True)
        assert 0 < ended.rows_loaded < 15_000
        assert unswept.count(table) == ended.rows_loaded

        resumed = unswept.wait_over(client.submit(dataset="half"))

    assert (resumed.state, resumed.rows_loaded) == ("succeeded", 30_000)
    assert unswept.count(table) == 30_000


def test_a_queued_job_is_cancelled_while_no_worker_is_there(unswept: System) -> None:
    """The message that comes later finds the job over."""
    table = unswept.make_table("unheard")
    write_items(unswept.incoming / "unheard.csv", 100)
    unswept.kill("worker")
    with unswept.client as client:
        client.put_dataset("unheard", {"table": table, "source": "unheard.csv"})
        job = client.submit(dataset="unheard")

        cancelled = client.cancel(job.id)

    unswept.start("worker")
    with unswept.client as client:
        again = unswept.wait_over(client.submit(dataset="unheard"))
        now = client.job(job.id)
    assert (cancelled.state, now.state) == ("cancelled", "cancelled")
    assert (again.state, again.rows_loaded) == ("succeeded", 100)
    assert unswept.count(table) == 100


def test_a_job_that_waits_for_its_table_is_cancelled(unswept: System) -> None:
    table = unswept.make_table("locked")
    write_items(unswept.incoming / "locked.csv", 100)
    connection = psycopg2.connect(unswept.database.dsn_for("owner"))
    with closing(connection), unswept.client as client:
        client.put_dataset("locked", {"table": table, "source": "locked.csv"})
        with connection, connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN SHARE MODE")
            job = client.submit(dataset="locked")
            unswept.wait_held()

            client.cancel(job.id)
            ended = unswept.wait_over(job, SOON)

    assert ended.state == "cancelled"
    assert unswept.count(table) == 0
