"""Only so many jobs of a dataset, and of backfills, are at work; the others begin when one ends, without a sweep."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import UUID

import pytest
from pika.exceptions import ChannelClosedByBroker
from sqlalchemy import func, select, text, update

from libs.common.enums import ChunkState, JobState, Trigger
from libs.common.ledger.jobs import mark_published
from libs.common.ledger.models import Chunk, Job
from libs.common.messaging.names import JOBS_QUEUE, LONG_PLANS_QUEUE
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.sweeping import sweep
from services.worker.tests.conftest import Bench

FIRST_DAY = date(2026, 1, 1).toordinal()


@pytest.fixture(autouse=True)
def _nothing_waits(bench: Bench) -> Iterator[None]:
    """Take what earlier tests have sent, and leave nothing to later ones."""
    _empty_queues(bench)
    yield
    _empty_queues(bench)


def _empty_queues(bench: Bench) -> None:
    for queue in (JOBS_QUEUE, LONG_PLANS_QUEUE):
        _sent(bench, queue)


def _put_datasets(bench: Bench, **definition: object) -> None:
    """Make two datasets with tables of their own, so that they meet nowhere else."""
    with bench.owner.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS public.others (LIKE public.items)"))
        connection.execute(text("GRANT SELECT, INSERT ON public.others TO adsp_loader"))
    bench.put_dataset("items", **definition)  # type: ignore[arg-type]
    bench.put_dataset("others", table="public.others")


def _make_jobs(bench: Bench, count: int, dataset: str = "items", **changes: object) -> list[Job]:
    """Make jobs of different contents, each of a later day."""
    jobs = []
    for number in range(count):
        files = len(list(bench.folder.glob("*.csv")))
        path = bench.write_rows(files + 1, f"items-{files}.csv")
        day = {"data_date": date.fromordinal(FIRST_DAY + number)}
        jobs.append(bench.make_job(dataset, source=str(path), **day | changes))
    return jobs


def _plan_all(bench: Bench, jobs: list[Job]) -> list[str]:
    return [plan(bench.worker, job.id) for job in jobs]


def _end(bench: Bench, job_id: UUID) -> None:
    with bench.worker.sessions.begin() as session:
        done = update(Chunk).where(Chunk.job_id == job_id)
        session.execute(done.values(state=ChunkState.DONE, finished_at=func.now()))
    assert finish(bench.worker, job_id) == JobState.SUCCEEDED


def _sent(bench: Bench, queue: str = JOBS_QUEUE) -> list[UUID]:
    try:
        return [UUID(arguments["job_id"]) for arguments in bench.messages(queue)]
    except ChannelClosedByBroker:  # nothing was ever sent there
        return []


def _is_held(bench: Bench, job: Job) -> bool:
    now = bench.job(job)
    return now.state is JobState.QUEUED and now.next_attempt_at is None


def test_of_a_dataset_so_many_jobs_are_at_work(bench: Bench) -> None:
    """Those without a place wait until one ends; then the oldest day is sent, and another dataset minds nothing."""
    bench.set(dataset_chunks_at_once=2)
    _put_datasets(bench)
    jobs, [other] = _make_jobs(bench, 4), _make_jobs(bench, 1, "others")

    states = _plan_all(bench, [*reversed(jobs), other])

    assert states == ["running", "running", "not-due", "not-due", "running"]
    assert [_is_held(bench, job) for job in jobs] == [True, True, False, False]
    assert bench.job(jobs[0]).attempt == 0
    _end(bench, jobs[3].id)
    assert _sent(bench) == [jobs[0].id, jobs[1].id]
    assert _plan_all(bench, jobs[:2]) == ["running", "not-due"]


def test_backfills_of_all_datasets_share_their_places_and_hold_up_nobody_else(bench: Bench) -> None:
    bench.set(backfills_at_once=2)
    _put_datasets(bench)
    backfills = []
    for name in ("items", "others"):
        backfills += _make_jobs(bench, 2, name, trigger=Trigger.BACKFILL)
    [day] = _make_jobs(bench, 1)

    assert _plan_all(bench, [*backfills, day]) == [*["running"] * 2, *["not-due"] * 2, "running"]

    _end(bench, day.id)
    assert _sent(bench) == []
    _end(bench, backfills[0].id)
    assert _sent(bench)[0] == backfills[2].id  # of another dataset, and an older day than the next


def test_a_backfill_that_holds_up_the_day_does_not_wait_for_others(bench: Bench) -> None:
    """An upsert is loaded in order, so the day's job waits for the backfill's, which must not wait in turn."""
    bench.set(backfills_at_once=1, turn_wait_seconds=10)
    _put_datasets(bench, mode="upsert", key=["sku"])
    first, held = (
        _make_jobs(bench, 1, name, trigger=Trigger.BACKFILL)[0] for name in ("others", "items")
    )
    day = bench.make_job(source=str(bench.write_rows(99, "day.csv")), data_date=date(2026, 2, 1))
    assert _plan_all(bench, [first, held]) == ["running", "not-due"]

    assert plan(bench.worker, day.id) == JobState.QUEUED

    assert _sent(bench) == [held.id]
    assert plan(bench.worker, held.id) == JobState.RUNNING


@pytest.mark.parametrize("trigger", [Trigger.API, Trigger.BACKFILL])
def test_a_job_that_waits_gives_its_place_away(bench: Bench, trigger: Trigger) -> None:
    """One whose source is still to come has nothing to do."""
    bench.set(dataset_chunks_at_once=1, backfills_at_once=1)
    bench.put_dataset(arrival={"wait": "1h"})
    late = bench.make_job(source=str(bench.folder / "late.csv"), trigger=trigger)
    [held] = _make_jobs(bench, 1, trigger=trigger)
    with bench.worker.sessions.begin() as session:
        session.execute(update(Job).where(Job.id == held.id).values(next_attempt_at=None))

    assert plan(bench.worker, late.id) == JobState.WAITING
    assert _sent(bench) == [held.id]


def test_a_held_job_stays_so_when_it_is_noted_late_that_it_was_sent(bench: Bench) -> None:
    """The worker may have planned it before the api has noted that the broker confirmed."""
    bench.set(dataset_chunks_at_once=1)
    bench.put_dataset()
    jobs = _make_jobs(bench, 2)
    _plan_all(bench, jobs)

    with bench.worker.sessions.begin() as session:
        mark_published(session, jobs[1].id)

    assert _is_held(bench, jobs[1])
    assert bench.job(jobs[1]).published_at is not None


def test_the_sweep_sends_what_nobody_has_woken(bench: Bench) -> None:
    """A worker may die between the end of a job and the message to the next one."""
    bench.set(dataset_chunks_at_once=1)
    bench.put_dataset()
    jobs = _make_jobs(bench, 3)
    _plan_all(bench, jobs)
    sweep(bench.worker)
    assert _sent(bench) == []

    with bench.worker.sessions.begin() as session:
        ended = {"state": JobState.CANCELLED, "finished_at": func.now(), "next_attempt_at": None}
        session.execute(update(Job).where(Job.id == jobs[0].id).values(ended))
    sweep(bench.worker)

    assert jobs[1].id in _sent(bench)
    assert _plan_all(bench, jobs[1:]) == ["running", "not-due"]


def test_a_long_plan_that_was_held_is_sent_where_it_is_planned(bench: Bench) -> None:
    """It would take a place only to be sent on, and lose it to others."""
    bench.set(dataset_chunks_at_once=1, long_plan_bytes=1)
    bench.put_dataset()
    first, second = _make_jobs(bench, 2)
    assert _plan_all(bench, [second, first]) == ["queued", "queued"]
    assert _sent(bench, LONG_PLANS_QUEUE) == [second.id, first.id]
    assert plan(bench.worker, first.id, may_be_long=True) == JobState.RUNNING
    assert plan(bench.worker, second.id, may_be_long=True) == "not-due"

    _end(bench, first.id)

    assert (_sent(bench), _sent(bench, LONG_PLANS_QUEUE)) == ([], [second.id])


def test_all_jobs_end_without_a_sweep_and_never_more_are_at_work(bench: Bench) -> None:
    """Four at a time take what is sent, plan it and end what runs: no wake is lost between them."""
    bench.set(dataset_chunks_at_once=3, backfills_at_once=2)
    _put_datasets(bench)
    jobs: list[Job] = []
    for name in ("items", "others"):
        for trigger in (Trigger.API, Trigger.BACKFILL):
            jobs += _make_jobs(bench, 8, name, trigger=trigger)
    due, most = [job.id for job in jobs], {"dataset": 0, "backfill": 0}

    def work(job_id: UUID) -> None:
        if plan(bench.worker, job_id) == JobState.RUNNING:
            for name, count in _at_work(bench).items():
                most[name] = max(most[name], count)
            _end(bench, job_id)

    with ThreadPoolExecutor(4) as threads:
        for _ in range(len(jobs)):
            list(threads.map(work, due))
            due = _sent(bench)
            if not due:
                break

    assert {bench.job(job).state for job in jobs} == {JobState.SUCCEEDED}
    assert most["backfill"] == 2
    assert most["dataset"] <= 3


def _at_work(bench: Bench) -> dict[str, int]:
    """Count the running jobs of the dataset that has most, and of backfills."""
    running = select(Job.dataset, Job.trigger).where(Job.state == JobState.RUNNING)
    with bench.worker.sessions() as session:
        rows = session.execute(running).all()
    names = [row.dataset for row in rows]
    return {
        "dataset": max((names.count(name) for name in names), default=0),
        "backfill": sum(row.trigger is Trigger.BACKFILL for row in rows),
    }
