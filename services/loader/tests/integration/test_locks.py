"""A load waits for a lock for a while only: then its chunk is put off and reported, and others get the loader."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from libs.common.datasets.definition import DatasetDefinition
from libs.devstack.testing.waiting import wait_for
from services.loader.chunk_loader import Outcome
from services.loader.tests.integration.conftest import LoadBench

TABLE = (
    "CREATE TABLE feed.parent (id int PRIMARY KEY); INSERT INTO feed.parent VALUES (1);"
    "CREATE TABLE feed.t (id int PRIMARY KEY, parent int REFERENCES feed.parent);"
    "INSERT INTO feed.t VALUES (1, 1); CREATE TABLE feed.other (id int)"
)
DATA = b"id,parent\n1,1\n2,1\nx,1\n"
HOLDS = {
    "the table": "LOCK TABLE feed.t",
    "a row": "UPDATE feed.t SET parent = parent",
    "a key": "INSERT INTO feed.t VALUES (2, 1)",
    "a parent": "SELECT FROM feed.parent FOR UPDATE",
}
WAYS: dict[str, dict[str, Any]] = {
    "append": {},
    "chunks": {"atomic": False},
    "replace": {"mode": "replace"},
    "upsert": {"mode": "upsert", "key": ["id"]},
}
CASES = [
    (way, hold)
    for way in WAYS
    for hold in HOLDS
    if not (hold == "a row" and way in {"append", "chunks"})  # it waits for no row that is there
]
PATIENCE = 30


@contextmanager
def held(bench: LoadBench, statement: str) -> Iterator[None]:
    """Hold what a statement locks."""
    with closing(psycopg2.connect(bench.database.superuser_dsn)) as other:
        with other.cursor() as cursor:
            cursor.execute(statement)
        yield
        other.rollback()


def add_job(bench: LoadBench, way: str = "append") -> UUID:
    """Make the tables and a job that loads feed.t."""
    bench.execute(TABLE)
    return bench.add_job(DATA, DatasetDefinition.model_validate({"table": "feed.t", **WAYS[way]}))


def count_postponed() -> float:
    """Return what Prometheus would read."""
    return REGISTRY.get_sample_value("adsp_chunks_postponed_total", {"reason": "lock"}) or 0.0


@pytest.mark.parametrize(("way", "hold"), CASES)
def test_a_load_that_waits_for_a_lock_is_put_off_and_reported(
    bench: LoadBench, way: str, hold: str
) -> None:
    job_id = add_job(bench, way)
    other = bench.add_job(b"id\n1\n", DatasetDefinition(table="feed.other"))
    counted = count_postponed()
    with closing(bench.loader(lock_seconds=0.3)) as loader:
        with held(bench, HOLDS[hold]), capture_logs() as lines:
            outcome = loader.load_chunk(job_id, 0)
            elsewhere = loader.load_chunk(other, 0)
        chunk = bench.chunk(job_id)
        later = loader.load_chunk(job_id, 0)

    assert (outcome, elsewhere, later) == (Outcome.POSTPONED, Outcome.LOADED, Outcome.LOADED)
    assert (chunk["state"], chunk["attempt"], chunk["lock_waits"]) == ("queued", 1, 1)
    assert chunk["next_attempt_at"] is not None
    assert chunk["error_message"].startswith("waited 0.3 s for a lock on feed.t")
    [line] = [line for line in lines if line["event"] == "chunk_held_up"]
    assert (line["job_id"], line["lock_waits"]) == (str(job_id), 1)
    assert count_postponed() == counted + 1
    assert bench.chunk(job_id)["error_message"] is None


def test_waits_for_locks_are_no_attempts_that_went_wrong_but_bounded(bench: LoadBench) -> None:
    job_id = add_job(bench)
    settings = {"lock_seconds": 0.1, "chunk_max_attempts": 2, "max_lock_waits": 4}
    with held(bench, HOLDS["the table"]), closing(bench.loader(**settings)) as loader:
        seen = [loader.load_chunk(job_id, 0) for _ in range(4)]

    chunk = bench.chunk(job_id)
    assert seen == [Outcome.POSTPONED] * 3 + [Outcome.FAILED]
    assert (chunk["state"], chunk["error_code"], chunk["attempt"]) == ("failed", "load-fault", 4)
    assert "lock on feed.t" in chunk["error_message"]
    assert "4 times" in chunk["error_message"]


def test_a_load_that_waits_keeps_its_lease_but_shows_no_progress(bench: LoadBench) -> None:
    """Else nobody could tell it from one that gets on."""
    job_id = add_job(bench)
    look = "SELECT progressed_at, expires_at FROM adsp.chunk_leases"
    with (
        ThreadPoolExecutor(1) as pool,
        closing(bench.loader(heartbeat_seconds=0.1)) as loader,
        held(bench, HOLDS["the table"]),
    ):
        loading = pool.submit(loader.load_chunk, job_id, 0)
        [(progressed, expires)] = wait_for(lambda: bench.execute(look), PATIENCE, "it is begun")
        wait_for(
            lambda: bench.execute(f"{look} WHERE expires_at > %s + interval '1 second'", expires),
            PATIENCE,
            "the lease is renewed again and again",
        )
        [(still, _)] = bench.execute(look)
        was_done = loading.done()

    assert still == progressed
    assert not was_done
    assert loading.result(PATIENCE) is Outcome.LOADED


def test_no_timeout_of_the_role_ends_a_load(bench: LoadBench) -> None:
    """All that `ALTER ROLE … SET` takes: some ended a load five times over, others its heartbeat or its record."""
    names = [
        name
        for (name,) in bench.execute(
            "SELECT name FROM pg_settings WHERE name LIKE '%timeout'"
            " AND context IN ('user', 'superuser') AND vartype = 'integer'"
        )
    ]
    role = f"ALTER ROLE adsp_loader IN DATABASE {bench.database.name}"
    job_id = add_job(bench)
    spoiled = bench.add_job(DATA, DatasetDefinition(table="feed.t", max_rejected_rows=0))
    try:
        for name in names:
            bench.execute(f"{role} SET {name} = 300")
        with ThreadPoolExecutor(1) as pool, closing(bench.loader()) as loader:
            with held(bench, HOLDS["the table"]):
                loading = pool.submit(loader.load_chunk, job_id, 0)
                until = monotonic() + 1
                wait_for(lambda: monotonic() > until, PATIENCE, "every timeout is over")
            outcomes = [loading.result(PATIENCE), loader.load_chunk(spoiled, 0)]
    finally:
        bench.execute(f"{role} RESET ALL")

    assert {"statement_timeout", "transaction_timeout", "lock_timeout"} <= set(names)
    assert {"idle_session_timeout", "idle_in_transaction_session_timeout"} <= set(names)
    assert outcomes == [Outcome.LOADED, Outcome.FAILED]
    assert bench.chunk(job_id)["attempt"] == 1
    assert bench.chunk(spoiled)["error_code"] == "too-many-rejects"
