"""Bring back what got lost: the net under every message, every process and every connection.

The sweep reads the ledger only. What it sends may be on its way already: each receiver looks at the ledger
first, so a second message does no harm. Each kind of trouble is handled in a bounded batch and named in the log.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from libs.common.enums import ChunkState, JobState
from libs.common.errors import PublishFault
from libs.common.ledger.advisory_locks import try_to_take
from libs.common.ledger.fences import fence_of
from libs.common.ledger.jobs import RESEND_AFTER
from libs.common.ledger.models import Chunk, ChunkLease, Job
from libs.common.logs import get_logger
from libs.common.messaging.events import publish_pending
from libs.common.sql_files import statement
from services.worker.deadletters import drain_dead_letters
from services.worker.dependencies import WorkerContext
from services.worker.dispatching import DuePlan, send_plans
from services.worker.loaded_files import put_due_files_away
from services.worker.metrics import ACTIONS, Action
from services.worker.notifying.outbox import ask_to_notify
from services.worker.notifying.targets import publish_names
from services.worker.planning.chunking import IS_UNDER_WAY, DueChunks, send_chunks
from services.worker.planning.places import wake_forgotten
from services.worker.source_growth import tell_grown

log = get_logger(__name__)

LOST_LOADER = "load-fault"

BACKEND_END_WAIT = 1000
"""Milliseconds for a backend to end; the chunk of one that takes longer is freed by a later sweep."""


class SweepResult(NamedTuple):
    """How much of each kind one sweep handled."""

    plans: int
    chunks: int
    expired: int
    finishes: int
    events: int
    notifications: int
    dead_letters: int
    files: int
    grown: int


def sweep(worker: WorkerContext) -> SweepResult:
    """Do one sweep and return what it handled; nothing while another one is processing it (rule 2)."""
    with worker.sessions.begin() as session:
        if not try_to_take(session, "adsp.sweep", worker.settings.sweep_lock_seconds):
            log.info("sweep_skipped")
            return SweepResult(*[0] * len(SweepResult._fields))
        return _sweep(worker)


def _sweep(worker: WorkerContext) -> SweepResult:
    """Do all steps while the caller's transaction keeps other sweeps away."""
    _step(worker, _publish_target_names)
    dead_letters = _step(worker, drain_dead_letters)
    expired = _step(worker, _free_expired_chunks)
    swept = SweepResult(
        plans=_step(worker, _send_due_plans),
        chunks=_step(worker, _send_due_chunks),
        expired=expired,
        finishes=_step(worker, _send_lost_finishes),
        events=_step(worker, _publish_events),
        notifications=_step(worker, ask_to_notify),
        dead_letters=dead_letters,
        files=_step(worker, put_due_files_away),
        grown=_step(worker, tell_grown),  # last: a file's server may let it wait
    )
    _count(swept)
    if any(swept):
        log.info("sweep_finished", **swept._asdict())
    return swept


def _count(swept: SweepResult) -> None:
    """Tell Prometheus what was sent again; what became of lost loaders is counted where it is done."""
    ACTIONS.add(swept.plans, Action.PLAN_RESENT)
    ACTIONS.add(swept.chunks, Action.CHUNK_RESENT)
    ACTIONS.add(swept.finishes, Action.FINISH_RESENT)
    ACTIONS.add(swept.events, Action.EVENT_RESENT)


def _step(worker: WorkerContext, work: Callable[[WorkerContext, int], int]) -> int:
    """Do one kind of work; what is wrong with it must not keep the others from being done."""
    try:
        return work(worker, worker.settings.sweep_batch)
    except SQLAlchemyError:
        log.exception("sweep_step_failed", step=work.__name__)
        return 0


def _publish_events(worker: WorkerContext, limit: int) -> int:
    return publish_pending(worker.sessions, worker.dispatcher, limit)


def _publish_target_names(worker: WorkerContext, _limit: int) -> int:
    publish_names(worker.sessions, worker.settings.notify_targets)
    return 0


def _send_due_plans(worker: WorkerContext, limit: int) -> int:
    """Send the jobs that are due: never published, not heard of, or cut off while they were planned."""
    has_chunks = exists().where(Chunk.job_id == Job.id)
    with worker.sessions.begin() as session:
        wake_forgotten(session, worker.settings)
        due = (
            select(Job.id)
            .where(
                Job.finished_at.is_(None),
                Job.next_attempt_at <= func.now(),
                (Job.state == JobState.QUEUED) | ~has_chunks,
            )
            .order_by(Job.next_attempt_at)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        )
        jobs = session.execute(
            update(Job)
            .where(Job.id.in_(due))
            .values(next_attempt_at=func.now() + RESEND_AFTER)
            .returning(Job.id, Job.request_id, Job.bytes_total)
        ).all()
    return send_plans(worker, [DuePlan(*job) for job in jobs])


def _send_due_chunks(worker: WorkerContext, limit: int) -> int:
    """Send the chunks that are due and wait for a loader."""
    with worker.sessions.begin() as session:
        rows = session.execute(
            select(Chunk.job_id, Chunk.number, Job.bytes_total, Job.request_id)
            .join(Job, Job.id == Chunk.job_id)
            .where(
                Chunk.finished_at.is_(None),
                Chunk.state == ChunkState.QUEUED,
                Chunk.next_attempt_at <= func.now(),
                Job.state == JobState.RUNNING,
            )
            .order_by(Chunk.next_attempt_at)
            .limit(limit)
            .with_for_update(of=Chunk, skip_locked=True, key_share=True)
        ).all()
    for sent, row in enumerate(rows):
        due = DueChunks([row.number], row.bytes_total or 0)
        if not send_chunks(worker, row.job_id, due, row.request_id):
            return sent  # the broker is away: the rest comes with a later sweep
    return len(rows)


def _free_expired_chunks(worker: WorkerContext, limit: int) -> int:
    """End the backends of loaders that are gone and give their chunks to others."""
    with worker.sessions() as session:
        rows = session.execute(
            statement(__package__, "expired_leases"),
            {"limit": limit, "lease_seconds": worker.settings.lease_seconds},
        ).all()
    freed = 0
    for row in rows:
        with worker.sessions.begin() as session:
            if row.is_live:
                _end_backend(session, worker, row.job_id, row.number, row.holder)
            freed += _free(session, worker, row.job_id, row.number, row.holder)
    return freed


def _end_backend(
    session: Session, worker: WorkerContext, job_id: UUID, number: int, holder: str
) -> None:
    """End the backend of a lease, unless the lease was renewed since the sweep read its list."""
    lease = {"job_id": job_id, "number": number, "holder": holder}
    ended = session.execute(
        statement(__package__, "end_backend"),
        {
            **lease,
            "wait_milliseconds": BACKEND_END_WAIT,
            "lease_seconds": worker.settings.lease_seconds,
        },
    ).all()
    ACTIONS.add(len(ended), Action.BACKEND_TERMINATED)


def _free(
    session: Session, worker: WorkerContext, job_id: UUID, number: int, holder: str | None
) -> int:
    """Queue a lost chunk again, or fail it after too many attempts; 0 when it is not lost after all."""
    if not try_to_take(session, fence_of(job_id, number)):
        return 0  # a transaction still copies it, or another sweep is processing it
    chunk = session.scalar(
        select(Chunk)
        .where(Chunk.job_id == job_id, Chunk.number == number, Chunk.state == ChunkState.RUNNING)
        .with_for_update(skip_locked=True, key_share=True)
    )
    if chunk is None:
        return 0
    lease = ChunkLease.job_id == job_id, ChunkLease.chunk_number == number
    expired = session.scalar(
        select(ChunkLease)
        .where(*lease, ChunkLease.holder == holder, ChunkLease.expires_at < func.now())
        .with_for_update(skip_locked=True)
    )
    if expired is not None:
        session.delete(expired)
    if session.scalar(select(exists().where(*lease))):
        return 0  # another loader has taken it meanwhile, or has it locked
    if chunk.attempt - chunk.lock_waits >= worker.settings.chunk_max_attempts:
        chunk.state = ChunkState.FAILED
        chunk.error_code = LOST_LOADER
        chunk.error_message = (
            f"the loader was lost {chunk.attempt} times while it loaded this chunk; "
            "see the loaders' log, then trigger the job again"
        )
        chunk.finished_at = datetime.now(UTC)
    else:
        chunk.state = ChunkState.QUEUED
        chunk.next_attempt_at = func.now()
    is_failed = chunk.state is ChunkState.FAILED
    ACTIONS.add(1, Action.CHUNK_FAILED if is_failed else Action.CHUNK_FREED)
    log.warning(
        "loader_lost",
        job_id=str(job_id),
        number=number,
        holder=holder,
        attempt=chunk.attempt,
        state=chunk.state.value,
    )
    return 1


def _send_lost_finishes(worker: WorkerContext, limit: int) -> int:
    """Send the running jobs that must end or for which no chunk is under way: nobody else may tell."""
    under_way = exists().where(Chunk.job_id == Job.id, IS_UNDER_WAY)
    has_chunks = exists().where(Chunk.job_id == Job.id)
    has_failed = exists().where(Chunk.job_id == Job.id, Chunk.state == ChunkState.FAILED)
    is_cancelled = Job.cancel_requested_at.is_not(None)
    with worker.sessions() as session:
        jobs = session.execute(
            select(Job.id, Job.request_id)
            .where(
                Job.finished_at.is_(None),  # what the index of unfinished jobs knows them by
                Job.state == JobState.RUNNING,
                has_chunks,
                ~under_way | has_failed | is_cancelled,
            )
            .order_by(Job.id)
            .limit(limit)
        ).all()
    for sent, job in enumerate(jobs):
        try:
            worker.dispatcher.send_finish(job.id, job.request_id)
        except PublishFault as exc:
            log.warning("publish_failed", job_id=str(job.id), task="jobs.finish", error=str(exc))
            return sent
    return len(jobs)
