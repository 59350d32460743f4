"""Jobs of several datasets take turns at one table where they could deadlock, and only there."""

from typing import Any

import pytest
from sqlalchemy import text, update

from libs.common.enums import ChunkState
from libs.common.ledger.models import Chunk
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.tests.conftest import Bench

UPSERT: dict[str, Any] = {"mode": "upsert", "key": ["sku"]}
APPEND: dict[str, Any] = {}
REPLACE: dict[str, Any] = {"mode": "replace"}


@pytest.fixture
def heap(bench: Bench) -> str:
    """Return a table like the sample one, without a key."""
    with bench.owner.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS public.heap"))
        connection.execute(text("CREATE TABLE public.heap (LIKE public.items INCLUDING DEFAULTS)"))
        connection.execute(text("GRANT SELECT, INSERT, DELETE ON public.heap TO adsp_loader"))
    return "public.heap"


@pytest.mark.parametrize(
    ("table", "first", "second", "then"),
    [
        ("public.items", UPSERT, UPSERT, "queued"),
        ("public.items", APPEND, UPSERT, "queued"),
        ("public.items", APPEND, APPEND, "queued"),
        ("public.items", APPEND, REPLACE, "queued"),
        ("public.heap", APPEND, APPEND, "running"),
        ("public.heap", REPLACE, APPEND, "queued"),
    ],
)
def test_jobs_wait_for_those_of_other_datasets_that_they_could_deadlock_with(
    bench: Bench, heap: str, table: str, first: dict[str, Any], second: dict[str, Any], then: str
) -> None:
    jobs = []
    for name, changes in (("one", first), ("other", second)):
        bench.put_dataset(name, table=table, source=f"{name}.csv", **changes)
        bench.write_rows(3, f"{name}.csv")
        jobs.append(bench.make_job(name))
    assert plan(bench.worker, jobs[0].id) == "running"

    assert plan(bench.worker, jobs[1].id) == then

    assert heap
    assert bench.job(jobs[1]).attempt == (1 if then == "running" else 0)


def test_a_job_that_waits_for_its_turn_is_sent_when_the_other_one_ends(bench: Bench) -> None:
    bench.set(twin_wait_seconds=3600)
    jobs = []
    for name in ("one", "other"):
        bench.put_dataset(name, source=f"{name}.csv", **UPSERT)
        bench.write_rows(3, f"{name}.csv")
        jobs.append(bench.make_job(name))
        plan(bench.worker, jobs[-1].id)
    waiting = bench.job(jobs[1])
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == jobs[0].id)
            .values(state=ChunkState.DONE, rows_read=1, rows_loaded=1)
        )

    assert finish(bench.worker, jobs[0].id) == "succeeded"

    sent = bench.job(jobs[1])
    assert sent.published_at is not None
    assert sent.next_attempt_at is not None
    assert waiting.next_attempt_at is not None
    assert sent.next_attempt_at < waiting.next_attempt_at
    assert plan(bench.worker, jobs[1].id) == "running"
