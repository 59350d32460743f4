"""Jobs of several datasets take turns at one table where they could deadlock, and only there."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from libs.common.enums import ChunkState, JobState
from libs.common.ledger.job_end import record_end
from libs.common.ledger.jobs import lock_job
from libs.common.ledger.models import Chunk, Job
from libs.common.messaging.names import LONG_PLANS_QUEUE
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


def _end(bench: Bench, job: Job, state: str = "succeeded") -> None:
    """Let a loader have done the job's chunks, and finish it."""
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == job.id)
            .values(state=ChunkState.DONE, rows_read=1, rows_loaded=1)
        )
    assert finish(bench.worker, job.id) == state


def _make(bench: Bench, dataset: str, rows: int, **changes: Any) -> Job:
    """Make a job of a file of its own."""
    name = f"{dataset}-{rows}.csv"
    bench.write_rows(rows, name)
    return bench.make_job(dataset, source=name, **changes)


def _put(bench: Bench, table: str = "public.items") -> None:
    """Make a dataset that appends to the table again and again, and one that replaces it."""
    bench.put_dataset("stream", table=table, **APPEND)
    bench.put_dataset("state", table=table, **REPLACE)


def _is_sent(bench: Bench, job: Job) -> bool:
    """Return whether a job that waits has been sent, not only left to the sweep."""
    return bench.job(job).published_at is not None


@pytest.mark.parametrize("table", ["public.items", "public.heap"])
def test_a_job_that_waits_for_its_turn_lets_no_younger_one_pass(
    bench: Bench, heap: str, table: str
) -> None:
    bench.set(turn_wait_seconds=3600)
    _put(bench, table)
    loading = _make(bench, "stream", 1)
    plan(bench.worker, loading.id)
    waiting = _make(bench, "state", 2)
    assert plan(bench.worker, waiting.id) == "queued"
    younger = _make(bench, "stream", 3)

    assert plan(bench.worker, younger.id) == "queued"
    _end(bench, loading)
    assert _is_sent(bench, waiting)
    assert plan(bench.worker, younger.id) == "queued"
    assert plan(bench.worker, waiting.id) == "running"
    _end(bench, waiting)

    assert heap
    assert _is_sent(bench, younger)
    assert plan(bench.worker, younger.id) == "running"


def test_jobs_that_could_not_deadlock_pass_one_that_waits(bench: Bench, heap: str) -> None:
    _put(bench, heap)
    bench.put_dataset("other", table=heap, **APPEND)
    replacing = _make(bench, "state", 1)
    plan(bench.worker, replacing.id)
    waiting = _make(bench, "stream", 2)
    assert plan(bench.worker, waiting.id) == "queued"
    younger = _make(bench, "other", 3)
    assert plan(bench.worker, younger.id) == "queued"
    _end(bench, replacing)

    assert plan(bench.worker, younger.id) == "running"
    assert plan(bench.worker, waiting.id) == "running"


@pytest.mark.parametrize(("left", "then"), [("5 minutes", "queued"), ("3 minutes", "running")])
def test_a_waiting_job_keeps_its_place_while_it_is_planned_unless_that_plan_died(
    bench: Bench, left: str, then: str
) -> None:
    """Of a plan that was killed, what it was allowed to last runs down in the ledger."""
    _put(bench)
    loading = _make(bench, "stream", 1)
    plan(bench.worker, loading.id)
    waiting = _make(bench, "state", 2)
    plan(bench.worker, waiting.id)
    younger = _make(bench, "stream", 3)
    _end(bench, loading)
    with bench.owner.begin() as connection:
        connection.execute(
            text(
                "UPDATE adsp.jobs SET state = 'running', fingerprint = NULL,"
                " next_attempt_at = now() + CAST(:left AS interval) WHERE id = :id"
            ),
            {"left": left, "id": waiting.id},
        )

    assert plan(bench.worker, younger.id) == then


def test_a_waiting_job_whose_plan_is_long_keeps_its_place(bench: Bench) -> None:
    _put(bench)
    loading = _make(bench, "stream", 1)
    plan(bench.worker, loading.id)
    waiting = _make(bench, "state", 2)
    plan(bench.worker, waiting.id)
    younger = _make(bench, "stream", 3)
    _end(bench, loading)
    bench.set(long_plan_bytes=1)
    assert plan(bench.worker, waiting.id) == "queued"
    bench.messages(LONG_PLANS_QUEUE)  # so that no other test finds it
    bench.set(long_plan_bytes=1 << 30)

    assert plan(bench.worker, younger.id) == "queued"
    assert plan(bench.worker, waiting.id, may_be_long=True) == "running"


def test_a_waiting_job_whose_source_has_gone_holds_nobody_up(bench: Bench) -> None:
    bench.put_dataset("stream", **APPEND)
    bench.put_dataset("state", arrival={"wait": "1h", "poll": "5s"}, **REPLACE)
    loading = _make(bench, "stream", 1)
    plan(bench.worker, loading.id)
    waiting = _make(bench, "state", 2)
    plan(bench.worker, waiting.id)
    younger = _make(bench, "stream", 3)
    _end(bench, loading)
    (bench.folder / "state-2.csv").unlink()
    assert plan(bench.worker, waiting.id) == "waiting"

    assert plan(bench.worker, younger.id) == "running"


def test_a_waiting_job_that_is_cancelled_wakes_the_next_one(bench: Bench) -> None:
    """Its dataset may be deleted then, which changes nothing for the others."""
    bench.set(turn_wait_seconds=3600)
    _put(bench)
    loading = _make(bench, "stream", 1)
    plan(bench.worker, loading.id)
    waiting = _make(bench, "state", 2)
    plan(bench.worker, waiting.id)
    younger = _make(bench, "stream", 3)
    plan(bench.worker, younger.id)
    _end(bench, loading)
    assert not _is_sent(bench, younger)
    with bench.worker.sessions.begin() as session:
        locked = lock_job(session, waiting.id)
        assert locked is not None
        record_end(session, locked, JobState.CANCELLED)  # as the api does
    with bench.owner.begin() as connection:
        connection.execute(text("UPDATE adsp.datasets SET deleted_at = now() WHERE name = 'state'"))

    finish(bench.worker, waiting.id)

    assert _is_sent(bench, younger)
    assert plan(bench.worker, younger.id) == "running"


def test_a_waiting_job_that_its_own_dataset_holds_up_lets_others_pass(bench: Bench) -> None:
    """Else each waits for the next: the later day for the earlier, that for the other dataset, that for the later."""
    _put(bench)
    bench.put_dataset("other", **APPEND)
    loading = _make(bench, "stream", 1)
    plan(bench.worker, loading.id)
    later = _make(bench, "state", 2, data_date=date(2026, 1, 2))
    other = _make(bench, "other", 3)
    earlier = _make(bench, "state", 4, data_date=date(2026, 1, 1))
    left = [later, other, earlier]
    assert [plan(bench.worker, job.id) for job in left] == ["queued"] * 3
    _end(bench, loading)

    loaded: list[UUID] = []
    while left and len(loaded) < 3:
        running = [job for job in left if plan(bench.worker, job.id) == "running"]
        for job in running:
            _end(bench, job)
            left.remove(job)
            loaded.append(job.id)

    assert loaded == [other.id, earlier.id, later.id]


PARTS = """
DROP TABLE IF EXISTS public.parts, public.kin CASCADE;
CREATE TABLE public.parts (LIKE public.items) PARTITION BY LIST (category);
CREATE TABLE public.parts_tools (LIKE public.items, PRIMARY KEY (sku));
CREATE TABLE public.parts_rest (LIKE public.items, PRIMARY KEY (sku));
ALTER TABLE public.parts ATTACH PARTITION public.parts_tools FOR VALUES IN ('tools');
ALTER TABLE public.parts ATTACH PARTITION public.parts_rest DEFAULT;
CREATE TABLE public.kin (LIKE public.items INCLUDING ALL);
CREATE TABLE public.kin_child (PRIMARY KEY (sku)) INHERITS (public.kin);
GRANT SELECT, INSERT, DELETE ON
    public.parts, public.parts_tools, public.parts_rest, public.kin, public.kin_child TO adsp_loader;
"""


@pytest.mark.parametrize(
    ("first", "second", "mode", "then"),
    [
        ("public.parts", "public.parts_tools", APPEND, "queued"),
        ("public.parts_tools", "public.parts", APPEND, "queued"),
        ("public.parts_tools", "public.parts", REPLACE, "queued"),
        ("public.parts", "public.parts", APPEND, "queued"),
        ("public.parts_rest", "public.parts_tools", REPLACE, "running"),
        ("public.kin", "public.kin_child", REPLACE, "running"),
        ("public.kin_child", "public.kin", REPLACE, "running"),
    ],
)
def test_a_table_and_its_partition_are_one_where_a_load_touches_both(
    bench: Bench, first: str, second: str, mode: dict[str, Any], then: str
) -> None:
    """The keys are those of the partitions; a load does not touch what inherits from its table."""
    bench.set(turn_wait_seconds=3600)
    with bench.owner.begin() as connection:
        connection.execute(text(PARTS))
    bench.put_dataset("one", table=first, **APPEND)
    bench.put_dataset("other", table=second, **mode)
    loading, waiting = _make(bench, "one", 1), _make(bench, "other", 2)
    assert plan(bench.worker, loading.id) == "running"

    assert plan(bench.worker, waiting.id) == then

    _end(bench, loading)
    assert _is_sent(bench, waiting) == (then == "queued")


def test_a_job_that_waits_for_its_turn_is_sent_when_the_other_one_ends(bench: Bench) -> None:
    bench.set(turn_wait_seconds=3600)
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
