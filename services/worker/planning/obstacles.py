"""Let a job wait, or end it, for what keeps it from loading."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func
from sqlalchemy.orm import Session

from libs.common.enums import JobState
from libs.common.ledger.job_end import record_end
from libs.common.ledger.models import Job
from libs.common.logs import get_logger
from services.worker.dependencies import WorkerContext
from services.worker.settings import WorkerSettings

log = get_logger(__name__)

_WAITS_LONGER_AFTER = timedelta(seconds=100)
_LONGEST_WAIT = 12.0
"""Times `turn_wait_seconds`, after twenty minutes."""


class Obstacle(NamedTuple):
    """Why a job may not load now: the state that it moves to (`queued`: it waits), and the job that is the reason."""

    state: JobState
    reason: Job


def give_way(session: Session, worker: WorkerContext, job: Job, obstacle: Obstacle) -> None:
    """Let the job wait, or end it, for the obstacle's reason."""
    reason = obstacle.reason.id
    if obstacle.state is JobState.QUEUED:
        job.state = JobState.QUEUED
        job.attempt -= 1  # waiting for another job is not an attempt that went wrong
        job.next_attempt_at = func.now() + _wait_of(job, worker.settings)
        log.info("job_waits_for_job", job_id=str(job.id), other_job_id=str(reason))
    elif obstacle.state is JobState.DUPLICATE:
        record_end(session, job, JobState.DUPLICATE, duplicate_of=reason)
        log.info("job_is_duplicate", job_id=str(job.id), duplicate_of=str(reason))
    else:
        record_end(session, job, JobState.OUTDATED, outdated_by=reason)
        log.info("job_is_outdated", job_id=str(job.id), outdated_by=str(reason))


def _wait_of(job: Job, settings: WorkerSettings) -> timedelta:
    """Return when a job that nobody wakes is planned again: the later, the longer it has waited, as many may wait."""
    age = datetime.now(UTC) - job.created_at
    times = min(max(1.0, age / _WAITS_LONGER_AFTER), _LONGEST_WAIT)
    return times * timedelta(seconds=settings.turn_wait_seconds)
