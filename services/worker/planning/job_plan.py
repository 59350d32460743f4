"""Plan a job: find its source, see that its content is new, cut it into chunks, hand them to the loaders.

Every step may be repeated: a plan that was cut off leaves a job that is running without chunks, which the
sweeper sends again. An advisory lock keeps two plans of one job apart.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.masked_errors import mask_error
from libs.common.datasets.stored_definition import parse_stored
from libs.common.enums import JobState
from libs.common.errors import BadInput, SourceSettling, SourceUnsettled
from libs.common.ledger.advisory_locks import holding
from libs.common.ledger.job_end import JobError, record_end
from libs.common.ledger.jobs import PLAN_OVERDUE, RESEND_AFTER, lock_job
from libs.common.ledger.models import Chunk, Job
from libs.common.ledger.session import commit_without_waiting
from libs.common.logs import get_logger
from libs.common.messaging.stage_metrics import STAGES, StageOfJob
from services.worker.dependencies import WorkerContext
from services.worker.dispatching import send_plan, send_plans
from services.worker.finishing import after_end
from services.worker.planning.arrival import describe_failure, is_awaited, wait_for_source
from services.worker.planning.chunking import send_chunks
from services.worker.planning.places import take_place, wake_next
from services.worker.planning.remembered_fingerprint import find_remembered_fingerprint
from services.worker.planning.source_plans import LongPlan, plan_source
from services.worker.settings import WorkerSettings

log = get_logger(__name__)

_LONG = "long"
"""What a plan comes to that is to be made by who may make long ones."""


def plan(worker: WorkerContext, job_id: UUID, *, may_be_long: bool = False) -> str:
    """Plan the job and return its state; a job that is planned already is left alone.

    A plan that is long, and may not be, is sent to the queue of such.
    """
    with worker.on_one_connection() as bound:
        with _alone(bound, job_id) as job:
            if job is None:
                return "not-due"
            state = _plan(bound, job, may_be_long=may_be_long)
        if state == _LONG:
            # Not while this plan keeps others away: who had the message first would leave the job alone.
            send_plan(bound, job_id, job.request_id, size=job.bytes_total)
            state = JobState.QUEUED
        if state in {JobState.QUEUED, JobState.WAITING}:
            _give_place_away(bound, job)
        return state


def _plan(worker: WorkerContext, job: Job, *, may_be_long: bool) -> str:
    try:
        with STAGES.time(StageOfJob.PLAN):
            due = plan_source(worker, job, may_be_long=may_be_long)
    except BadInput as exc:
        return _wait_or_fail(worker, job, _mask(job, exc))
    except LongPlan as exc:
        reason = JobError("plan-is-long", "it is planned behind other large files")
        job.bytes_total = exc.size
        _plan_later(worker, job, reason, counts=False, keeps_place=True)
        return _LONG
    except Exception as exc:
        if isinstance(exc, DBAPIError) and exc.connection_invalidated:
            raise  # nothing can be written now; the sweeper sends the job again
        log.exception("plan_attempt_failed", job_id=str(job.id), attempt=job.attempt)
        return _plan_later(worker, job, _plan_fault(exc, job.attempt))
    if due is None:
        return _state_of(worker, job.id)
    send_chunks(worker, job.id, due, job.request_id)
    return JobState.RUNNING


@contextmanager
def _alone(worker: WorkerContext, job_id: UUID) -> Iterator[Job | None]:
    """Begin to plan and keep other plans of the job away; yield None when it is not to be planned (any more)."""
    with holding(worker.engine, f"adsp.plan:{job_id}") as is_alone:
        job = None
        if is_alone:
            with worker.sessions.begin() as session:
                job = _begin(session, worker.settings, job_id)
        yield job


def _begin(session: Session, settings: WorkerSettings, job_id: UUID) -> Job | None:
    """Move the job to running, or return None when that is not its next step, or it has no place yet."""
    job = lock_job(session, job_id)
    if job is None or not _needs_plan(session, job):
        return None
    if job.cancel_requested_at is not None:
        record_end(session, job, JobState.CANCELLED)
        return None
    if job.state is not JobState.RUNNING and not take_place(session, settings, job):
        log.info("job_is_held", job_id=str(job_id), dataset=job.dataset, trigger=job.trigger.value)
        return None
    # Undone by a crash of Postgres, the job is queued as before.
    commit_without_waiting(session)
    job.state = JobState.RUNNING
    if job.started_at is None:
        job.started_at = datetime.now(UTC)
        if job.waiting_since is None:
            waited = job.started_at - job.created_at
            STAGES.add(max(0.0, waited.total_seconds()), StageOfJob.WAIT)
    job.attempt += 1
    if job.source_path is not None:  # a plan claimed by the size of this file, and was cut off
        job.source_path = job.source_mtime_ns = job.bytes_total = None
    job.fingerprint = None
    job.next_attempt_at = func.now() + PLAN_OVERDUE
    return job


def _needs_plan(session: Session, job: Job) -> bool:
    if job.state in {JobState.QUEUED, JobState.WAITING}:
        return True
    if job.state is not JobState.RUNNING:
        return False
    has_chunks = select(Chunk.number).where(Chunk.job_id == job.id).limit(1)
    return session.scalar(has_chunks) is None


def _mask(job: Job, exc: BadInput) -> BadInput:
    """Return the error as it may be kept; a definition that is refused by now has no file read for it."""
    definition = parse_stored(job.definition)
    return mask_error(exc, definition) if isinstance(definition, DatasetDefinition) else exc


def _wait_or_fail(worker: WorkerContext, job: Job, exc: BadInput) -> str:
    """Let the job wait for a source that may still come or become whole; else fail it."""
    if isinstance(exc, SourceUnsettled):
        return _wait_until_whole(worker, job, exc)
    if wait_for_source(worker, job, exc):
        return _state_of(worker, job.id)
    return _fail(worker, job.id, describe_failure(job, exc))


def _wait_until_whole(worker: WorkerContext, job: Job, exc: SourceUnsettled) -> str:
    """Plan the job again when its source can be whole; to see it change counts unless it may still arrive."""
    reason = JobError(exc.code, exc.message)
    counts, wait = not is_awaited(job), worker.settings.plan_retry_seconds
    if isinstance(exc, SourceSettling):
        counts, wait = counts and exc.has_changed, exc.wait_seconds
    return _plan_later(worker, job, reason, counts=counts, wait_seconds=wait)


def _plan_later(
    worker: WorkerContext,
    job: Job,
    reason: JobError,
    *,
    counts: bool = True,
    wait_seconds: float = 0.0,
    keeps_place: bool = False,
) -> str:
    """Begin the plan again after a while, or fail the job when it was begun often enough.

    Unless it `keeps_place`, jobs that came after it may load before it meanwhile.
    """
    if counts and job.attempt >= worker.settings.plan_max_attempts:
        return _fail(worker, job.id, reason)
    wait = wait_seconds
    if counts:
        wait = max(wait, worker.settings.plan_retry_seconds * 2 ** (job.attempt - 1))
    with worker.sessions.begin() as session:
        locked = lock_job(session, job.id)
        if locked is not None and locked.state is JobState.RUNNING:
            locked.state = JobState.QUEUED
            locked.attempt -= 0 if counts else 1
            locked.fingerprint = (
                find_remembered_fingerprint(session, locked) if keeps_place else None
            )
            locked.bytes_total = job.bytes_total
            locked.next_attempt_at = func.now() + _seconds(wait)
    log.info(
        "plan_postponed",
        job_id=str(job.id),
        code=reason.code,
        attempt=job.attempt,
        wait_seconds=wait,
    )
    return JobState.QUEUED


def _give_place_away(worker: WorkerContext, job: Job) -> None:
    """Send the jobs that may begin now that this one waits."""
    with worker.sessions.begin() as session:
        woken = wake_next(session, worker.settings, job, RESEND_AFTER)
    send_plans(worker, woken)


def _plan_fault(exc: Exception, attempt: int) -> JobError:
    """Word the error of a plan that ended in what nobody expects of a source."""
    text = f"{type(exc).__name__}: {exc}"
    return JobError(
        "plan-fault",
        f"planning was begun {attempt} times and failed the last time with {text}; "
        "see the worker's log, then trigger the job again",
    )


def _fail(worker: WorkerContext, job_id: UUID, error: JobError) -> str:
    with worker.sessions.begin() as session:
        job = lock_job(session, job_id)
        if job is not None and job.state is JobState.RUNNING:
            record_end(session, job, JobState.FAILED, error=error)
            # The message may repeat cells of the file: it stands in the job alone.
            log.info("job_failed", job_id=str(job_id), code=error.code)
    after_end(worker, job_id)
    return _state_of(worker, job_id)


def _state_of(worker: WorkerContext, job_id: UUID) -> str:
    with worker.sessions() as session:
        return session.scalars(select(Job.state).where(Job.id == job_id)).one().value


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
