"""Finish a job: when the ledger shows that its chunks are over, end it, tell the world, wake those who waited.

Sent after every chunk and by the sweeper; doing it twice changes nothing.
"""

import time
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from libs.common.enums import ChunkState, JobState
from libs.common.errors import PublishFault
from libs.common.failpoints import FailPoint, failpoint
from libs.common.ledger.job_end import Counts, JobError, count_by_state, record_end, sum_finished
from libs.common.ledger.jobs import RESEND_AFTER, lock_job
from libs.common.ledger.models import Chunk, Job
from libs.common.logs import get_logger
from libs.common.messaging.events import publish_pending
from libs.common.messaging.stage_metrics import STAGES, StageOfJob
from libs.common.sql_files import statement
from services.worker.dependencies import WorkerContext
from services.worker.dispatching import DuePlan, send_plans
from services.worker.loaded_files import put_files_away
from services.worker.notifying.outbox import ask_to_notify
from services.worker.planning.chunking import release_chunks, send_chunks
from services.worker.planning.places import wake_next
from services.worker.planning.table_turns import find_next_at_table

log = get_logger(__name__)

WITHDRAWN = "withdrawn"
"""Error code of a chunk that was never begun because its job ended first."""


def finish(worker: WorkerContext, job_id: UUID) -> str:
    """End the job if it is over, else send its next chunks; return its state."""
    with worker.on_one_connection() as bound:
        return _finish(bound, job_id)


def _finish(worker: WorkerContext, job_id: UUID) -> str:
    start = time.perf_counter()
    with worker.sessions.begin() as session:
        job = lock_job(session, job_id)
        if job is None:
            return "unknown"
        state = job.state
        ended = state is JobState.RUNNING and _end_if_over(session, job)
        if ended:
            failpoint(FailPoint.IN_FINISH)
        goes_on = state is JobState.RUNNING and not ended
        due = release_chunks(session, worker.settings, job) if goes_on else None
    if ended:
        log.info("job_ended", job_id=str(job_id), **_summary(job))
    if ended or state is JobState.CANCELLED:  # the api cancels what is not planned and tells nobody
        after_end(worker, job_id)
    if ended and job.files_due_at is not None:
        put_files_away(worker, job_id)
    if ended:
        STAGES.add(time.perf_counter() - start, StageOfJob.FINISH)
    if due and due.numbers:
        send_chunks(worker, job_id, due, job.request_id)
    return job.state.value


def after_end(worker: WorkerContext, job_id: UUID) -> None:
    """Publish the events that wait and send the jobs that waited for this one: for its content, table or place.

    Neither is needed for the truth: the sweeper does what fails here.
    """
    try:
        publish_pending(worker.sessions, worker.dispatcher, limit=100)
        ask_to_notify(worker)
    except PublishFault as exc:
        log.warning("publish_failed", job_id=str(job_id), error=str(exc))
        return
    send_plans(worker, _wake_others(worker, job_id))


def _end_if_over(session: Session, job: Job) -> bool:
    """Record the end that the chunks call for; return False while the job goes on."""
    states, counts = _look_at_chunks(session, job.id)
    if not states:
        return False  # its plan is not written yet
    error = _reason_to_fail(session, job, states, counts)
    if error is not None or (job.cancel_requested_at is not None and states != {ChunkState.DONE}):
        _withdraw_chunks(session, job.id)
        states, counts = _look_at_chunks(session, job.id)
        if ChunkState.RUNNING in states:
            return False  # its rows may still be committed: the counts are not final yet
        state = JobState.FAILED if error else JobState.CANCELLED
        record_end(session, job, state, counts=counts, error=error)
        return True
    if states != {ChunkState.DONE}:
        return False
    record_end(session, job, _good_end(job, counts), counts=counts)
    return True


def _good_end(job: Job, counts: Counts) -> JobState:
    if job.dry_run:
        return JobState.CHECKED
    return JobState.COMPLETED_WITH_REJECTS if counts.rejected else JobState.SUCCEEDED


def _look_at_chunks(session: Session, job_id: UUID) -> tuple[set[ChunkState], Counts]:
    """Return the states that the job's chunks are in, and what the finished ones have on record."""
    found = count_by_state(session, job_id)
    return set(found), sum_finished(found)


def _reason_to_fail(
    session: Session, job: Job, states: set[ChunkState], counts: Counts
) -> JobError | None:
    """Return why the job must fail, as far as the chunks tell by now."""
    if ChunkState.FAILED in states:
        error = _first_error(session, job.id)
        if error is not None:
            return error
    definition = job.parsed_definition()
    most = definition.max_rejected_rows
    is_complete = states == {ChunkState.DONE}
    if (most is not None and counts.rejected > most) or (
        is_complete and definition.exceeds_thresholds(counts.read, counts.rejected)
    ):
        return _too_many(counts.rejected, counts.read)
    return None


def _withdraw_chunks(session: Session, job_id: UUID) -> None:
    """Keep loaders from beginning a chunk of a job that is about to end.

    A loader claims a chunk by updating the same row, so either it sees this or this sees the claim.
    """
    session.execute(
        update(Chunk)
        .where(Chunk.job_id == job_id, Chunk.state == ChunkState.QUEUED)
        .values(
            state=ChunkState.FAILED,
            error_code=WITHDRAWN,
            error_message="the job ended before this chunk was begun",
            finished_at=func.now(),
            next_attempt_at=None,
        )
    )


def _first_error(session: Session, job_id: UUID) -> JobError | None:
    failed = session.scalar(
        select(Chunk)
        .where(
            Chunk.job_id == job_id,
            Chunk.state == ChunkState.FAILED,
            Chunk.error_code != WITHDRAWN,
        )
        .order_by(Chunk.number)
        .limit(1)
    )
    if failed is None:
        return None
    return JobError(
        failed.error_code or "load-fault", failed.error_message or "no reason on record"
    )


def _too_many(rejected: int, read: int) -> JobError:
    return JobError(
        "too-many-rejects",
        f"{rejected:,} of {read:,} records were rejected, more than the dataset's thresholds allow; "
        "what was loaded stays: correct the failed rows, or raise max_rejected_rows or max_rejected_ratio",
    )


def _wake_others(worker: WorkerContext, job_id: UUID) -> list[DuePlan]:
    """Make the queued jobs that waited for an ended one due now; the sweeper sends what is not sent."""
    with worker.sessions.begin() as session:
        job = session.get_one(Job, job_id)
        if job.finished_at is None:
            return []
        parameters = {
            "job_id": job_id,
            "resend_after": RESEND_AFTER,
            "next_at_table": find_next_at_table(session, job),
        }
        woken = session.execute(statement(__package__, "wake_duplicates"), parameters)
        waited = [DuePlan(*row) for row in woken]
        return waited + wake_next(session, worker.settings, job, RESEND_AFTER)


def _summary(job: Job) -> dict[str, object]:
    return {
        "state": job.state.value,
        "rows_read": job.rows_read,
        "rows_loaded": job.rows_loaded,
        "rows_rejected": job.rows_rejected,
        "rows_superseded": job.rows_superseded,
        "rejected_by_code": job.rejected_by_code,
        "warnings": [warning["code"] for warning in job.warnings],
    }
