"""Bound what is at work: so many jobs and chunks of one dataset, and so many backfills, behind the day's work.

A job begins to be planned when it has a place, and has it until it ends or waits. One without is held: nobody sends it
until a place is free. Then the oldest day goes first (decision 67).
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.orm import Session, aliased

from libs.common.enums import JobState, LoadMode, Trigger
from libs.common.ledger.advisory_locks import advisory_xact_lock
from libs.common.ledger.models import Job
from services.worker.dispatching import DuePlan
from services.worker.settings import WorkerSettings

_Running = aliased(Job)
_Other = aliased(Job)

_RUNNING = select(func.count()).where(_Running.state == JobState.RUNNING)
_RUNNING_OF_DATASET = _RUNNING.where(_Running.dataset == bindparam("dataset"))
_RUNNING_BACKFILLS = _RUNNING.where(_Running.trigger == Trigger.BACKFILL)
_FULL_DATASETS = (
    select(_Running.dataset)
    .where(_Running.state == JobState.RUNNING)
    .group_by(_Running.dataset)
    .having(func.count() >= bindparam("most_of_dataset"))
)
_HELD_UP_DATASETS = select(_Other.dataset).where(
    _Other.finished_at.is_(None),
    _Other.state == JobState.QUEUED,
    _Other.fingerprint.is_not(None),
    _Other.trigger != Trigger.BACKFILL,
    _Other.definition["mode"].astext != LoadMode.APPEND.value,
)
"""Those in which a job of the day waits its turn: if that is a backfill's, this must not wait for others as well."""

_HOLDS_UP_THE_DAY = _HELD_UP_DATASETS.where(_Other.dataset == bindparam("dataset")).exists()
_BACKFILL_MAY_BEGIN = select(
    (_RUNNING_BACKFILLS.scalar_subquery() < bindparam("most_backfills")) | _HOLDS_UP_THE_DAY
)
_IS_HELD = Job.state.in_([JobState.QUEUED, JobState.WAITING]) & Job.next_attempt_at.is_(None)
_ANY_HELD = select(select(Job.id).where(_IS_HELD).exists())
_HELD_WITH_PLACE = select(Job.id).where(
    _IS_HELD,
    Job.dataset.not_in(_FULL_DATASETS),
    (Job.trigger != Trigger.BACKFILL)
    | (_RUNNING_BACKFILLS.scalar_subquery() < bindparam("most_backfills"))
    | Job.dataset.in_(_HELD_UP_DATASETS),
)


def take_place(session: Session, settings: WorkerSettings, job: Job) -> bool:
    """Return whether a locked job may begin; else it is held until others have ended."""
    _take_turns(session, job)
    if _has_place(session, settings, job):
        return True
    job.next_attempt_at = None
    return False


def _has_place(session: Session, settings: WorkerSettings, job: Job) -> bool:
    of_dataset = {"dataset": job.dataset}
    if session.scalars(_RUNNING_OF_DATASET, of_dataset).one() >= settings.dataset_chunks_at_once:
        return False
    limits = of_dataset | _limits(settings)
    return job.trigger is not Trigger.BACKFILL or session.scalars(_BACKFILL_MAY_BEGIN, limits).one()


def wake_next(
    session: Session, settings: WorkerSettings, gone: Job, after: timedelta
) -> list[DuePlan]:
    """Wake the jobs that may have the place of one that has ended or waits, and return them to be sent.

    What is not sent comes with the first sweep `after` that time.
    """
    _take_turns(session, gone)
    alike = Job.dataset == gone.dataset
    if gone.trigger is Trigger.BACKFILL:
        alike |= Job.trigger == Trigger.BACKFILL
    # One for the place in its dataset, one for that among the backfills.
    held = _HELD_WITH_PLACE.where(alike, Job.id != gone.id).limit(2)
    return _wake(session, settings, held, after)


def wake_forgotten(session: Session, settings: WorkerSettings) -> None:
    """Make those due for which there is a place and that nobody has woken."""
    held = _HELD_WITH_PLACE.limit(settings.dataset_chunks_at_once)
    _wake(session, settings, held, timedelta(0))


def count_chunks_at_once(session: Session, settings: WorkerSettings, job: Job) -> int | None:
    """Return how many chunks of a running job may be under way now: its share of its dataset's; None: all of them."""
    most = job.chunks_at_once
    if most is None or most == 1:
        return most
    jobs = session.scalars(_RUNNING_OF_DATASET, {"dataset": job.dataset}).one()
    return max(1, min(most, settings.dataset_chunks_at_once // max(1, jobs)))


def _take_turns(session: Session, job: Job) -> None:
    """Let nobody else take or free a place that counts for this job until the transaction ends."""
    names = [f"adsp.places:{job.dataset}"]
    if job.trigger is Trigger.BACKFILL:
        names.append("adsp.places of backfills")
    advisory_xact_lock(session, *names)


def _wake(
    session: Session, settings: WorkerSettings, held: Select[UUID], after: timedelta
) -> list[DuePlan]:
    if not session.scalar(_ANY_HELD):
        return []
    # One that is locked is being planned, or ended.
    ids = held.order_by(Job.data_date, Job.id).with_for_update(skip_locked=True, key_share=True)
    woken = (
        update(Job)
        .where(Job.id.in_(ids))
        .values(next_attempt_at=func.now() + after)
        .returning(Job.data_date, Job.id, Job.request_id, Job.bytes_total)
        .execution_options(synchronize_session=False)
    )
    rows = sorted(session.execute(woken, _limits(settings)), key=lambda row: row[:2])
    return [DuePlan(*row[1:]) for row in rows]


def _limits(settings: WorkerSettings) -> dict[str, int]:
    return {
        "most_of_dataset": settings.dataset_chunks_at_once,
        "most_backfills": settings.backfills_at_once,
    }
