"""Make the jobs that are due: what is due is decided in the database, the scheduler only ticks.

Two ticks at once, a late tick or a repeated one make the same jobs: a dataset's row is locked while its due
times are worked off, and a due time makes one job under a unique key. What is wrong with one dataset stops no other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from libs.common.enums import Trigger
from libs.common.errors import PublishFault
from libs.common.ledger.jobs import JobRequest, create_job, mark_publish_failed, mark_published
from libs.common.ledger.models import Dataset, Job
from libs.common.logs import get_logger
from services.worker.dependencies import WorkerContext

log = get_logger(__name__)

_HAS_DUE_TIMES = (
    Dataset.last_due_at.is_not(None) & Dataset.paused_at.is_(None) & Dataset.deleted_at.is_(None)
)


class DuePlan(NamedTuple):
    """A job that is to be planned; `bytes_total` where its size is known by now."""

    id: UUID
    request_id: str | None
    bytes_total: int | None


@dataclass(frozen=True)
class _Due:
    dataset: str
    time_zone: str
    times: list[datetime]


def dispatch_due(worker: WorkerContext, now: datetime | None = None) -> int:
    """Make and send the jobs that are due at `now`; return how many were made."""
    moment = now or datetime.now(UTC)
    with worker.sessions() as session:
        names = list(session.scalars(select(Dataset.name).where(_HAS_DUE_TIMES)))
    made = [job_id for name in names for job_id in _dispatch_or_tell(worker, name, moment)]
    for job_id in made:
        if not send_plan(worker, job_id, None):
            break  # the broker is away: the sweeper sends the rest
    return len(made)


def send_plan(
    worker: WorkerContext, job_id: UUID, request_id: str | None, *, size: int | None = None
) -> bool:
    """Send a job to be planned and note it; return False when the broker did not confirm.

    `size` is that of its source in bytes, where it is known: long plans have a queue of their own.
    """
    is_long = size is not None and size >= worker.settings.long_plan_bytes
    try:
        worker.dispatcher.send_plan(job_id, request_id, is_long=is_long)
    except PublishFault as exc:
        log.warning("publish_failed", job_id=str(job_id), task="jobs.plan", error=str(exc))
        with worker.sessions.begin() as session:
            mark_publish_failed(session, job_id)
        return False
    with worker.sessions.begin() as session:
        mark_published(session, job_id)
    return True


def send_plans(worker: WorkerContext, due: Sequence[DuePlan]) -> int:
    """Send jobs to be planned and return how many were sent; where the broker is away, the rest comes with a sweep."""
    for sent, job in enumerate(due):
        if not send_plan(worker, job.id, job.request_id, size=job.bytes_total):
            return sent
    return len(due)


def _dispatch_or_tell(worker: WorkerContext, name: str, now: datetime) -> list[UUID]:
    """Make one dataset's due jobs; tell of whatever is wrong with it: the next tick tries again."""
    try:
        return _dispatch(worker, name, now)
    except Exception as exc:
        log.exception("dispatch_failed", dataset=name, error=str(exc))
        return []


def _dispatch(worker: WorkerContext, name: str, now: datetime) -> list[UUID]:
    """Make one dataset's due jobs; none when another dispatcher is processing it, or it was paused or deleted."""
    with worker.sessions.begin() as session:
        dataset = session.scalar(
            select(Dataset)
            .where(Dataset.name == name, _HAS_DUE_TIMES)
            # Not the lock that a job's foreign key would stand in the way of.
            .with_for_update(skip_locked=True, key_share=True)
        )
        due = _due_times(dataset, now) if dataset is not None else None
        if dataset is None or due is None:
            return []
        jobs = [_make_job(session, due, moment) for moment in due.times]
        if due.times:
            dataset.last_due_at = due.times[-1]
        return [job.id for job in jobs if job is not None]


def _due_times(dataset: Dataset, now: datetime) -> _Due | None:
    definition = dataset.parsed()
    schedule = definition.schedule
    if schedule is None or dataset.last_due_at is None:
        return None
    times = schedule.due_times(dataset.last_due_at, now, definition.catch_up)
    return _Due(dataset.name, schedule.time_zone, times)


def _make_job(session: Session, due: _Due, moment: datetime) -> Job | None:
    """Make the job of one due time; None when it is made already or its source is still being loaded."""
    request = JobRequest(
        dataset=due.dataset,
        trigger=Trigger.SCHEDULE,
        data_date=moment.astimezone(ZoneInfo(due.time_zone)).date(),
        due_at=moment,
    )
    try:
        with session.begin_nested():
            job = create_job(session, request)
    except IntegrityError as exc:
        log.info(
            "due_time_skipped",
            dataset=due.dataset,
            due_at=moment.isoformat(),
            reason="made already, or the same source is still being loaded",
            constraint=getattr(getattr(exc.orig, "diag", None), "constraint_name", None),
        )
        return None
    log.info("job_due", dataset=due.dataset, due_at=moment.isoformat(), job_id=str(job.id))
    return job
