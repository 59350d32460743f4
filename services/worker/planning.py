"""Plan a job: find its source, see that its content is new, cut it into chunks, hand them to the loaders.

Every step may be repeated: a plan that was cut off leaves a job that is running without chunks, which the
sweeper sends again. An advisory lock keeps two plans of one job apart.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from libs.common.boundaries import Boundary
from libs.common.db.models import Chunk, Job
from libs.common.db.session import commit_without_waiting
from libs.common.errors import BadInput, SourceSettling, SourceUnsettled
from libs.common.lifecycle import SENT_WHOLE, JobError, lock_job, record_end
from libs.common.log import get_logger
from libs.common.messaging.timing import STAGES, StageOfJob
from libs.common.replays import fingerprint_of_replay
from libs.common.sources import SourceIdentity
from libs.common.states import JobState, SourceMatch
from services.worker.advisory import let_go, try_to_hold
from services.worker.arrival import (
    describe_failure,
    find_all_whole,
    find_whole,
    is_awaited,
    wait_for_source,
)
from services.worker.chunking import (
    find_unfinished,
    release_chunks,
    send_chunks,
    take_over_chunks,
    write_chunks,
)
from services.worker.claiming import claim_content
from services.worker.comparison import compare_with_loads
from services.worker.finishing import after_end
from services.worker.growth import refuse_grown
from services.worker.inspection import Columns, Inspected, Inspector
from services.worker.job_files import fingerprint_of, identify_files, read_files
from services.worker.known_content import known_fingerprint, remember_fingerprint
from services.worker.long_plans import WAIT_SECONDS, NoRoomToPlan, room_for_plan
from services.worker.wiring import Worker

log = get_logger(__name__)

PLAN_OVERDUE = timedelta(minutes=5)
"""A plan that has not written its chunks after this time is begun again."""


def plan(worker: Worker, job_id: UUID) -> str:
    """Plan the job and return its state; a job that is planned already is left alone."""
    with worker.on_one_connection() as bound, _alone(bound, job_id) as job:
        if job is None:
            return "not-due"
        try:
            with STAGES.time(StageOfJob.PLAN):
                numbers = _plan_source(bound, job)
        except BadInput as exc:
            return _wait_or_fail(bound, job, exc)
        except NoRoomToPlan:
            reason = JobError("plan-waits", "this worker plans other large files")
            return _plan_later(bound, job, reason, counts=False, wait_seconds=WAIT_SECONDS)
        except Exception as exc:
            if isinstance(exc, DBAPIError) and exc.connection_invalidated:
                raise  # nothing can be written now; the sweeper sends the job again
            log.exception("plan_attempt_failed", job_id=str(job_id), attempt=job.attempt)
            return _plan_later(bound, job, _plan_fault(exc, job.attempt))
        if numbers is None:
            return _state_of(bound, job_id)
        send_chunks(bound, job_id, numbers, job.request_id)
        return JobState.RUNNING


@contextmanager
def _alone(worker: Worker, job_id: UUID) -> Iterator[Job | None]:
    """Begin to plan and keep other plans of the job away; yield None when it is not to be planned (any more)."""
    lock = f"adsp.plan:{job_id}"
    mine = False
    try:
        with worker.sessions.begin() as session:
            mine = try_to_hold(session, lock)
            job = _begin(session, job_id) if mine else None
        yield job
    finally:
        if mine:
            with worker.sessions.begin() as session:
                let_go(session, lock)


def _begin(session: Session, job_id: UUID) -> Job | None:
    """Move the job to running, or return None when that is not its next step."""
    job = lock_job(session, job_id)
    if job is None or not _needs_plan(session, job):
        return None
    if job.cancel_requested_at is not None:
        record_end(session, job, JobState.CANCELLED)
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
    job.fingerprint = None
    job.next_attempt_at = datetime.now(UTC) + PLAN_OVERDUE
    return job


def _needs_plan(session: Session, job: Job) -> bool:
    if job.state in {JobState.QUEUED, JobState.WAITING}:
        return True
    if job.state is not JobState.RUNNING:
        return False
    has_chunks = select(Chunk.number).where(Chunk.job_id == job.id).limit(1)
    return session.scalar(has_chunks) is None


def _plan_source(worker: Worker, job: Job) -> list[int] | None:
    """Look at the source and write the plan; return the chunks to send, None when there are none."""
    inspector = Inspector(
        worker.settings, job.parsed_definition(), is_sent=job.trigger in SENT_WHOLE
    )
    if job.parsed_definition().match is SourceMatch.ALL and job.trigger not in SENT_WHOLE:
        return _plan_files(worker, inspector, job)
    path, seen = find_whole(worker, inspector, job)
    with room_for_plan(worker, seen.size):
        return _plan_file(worker, inspector, job, path, seen)


def _plan_file(
    worker: Worker, inspector: Inspector, job: Job, path: Path, seen: SourceIdentity
) -> list[int] | None:
    """Do so for a source that is one file."""
    found = inspector.identify(path, seen, known_fingerprint(job, path, seen))
    content = found if job.replay_of is None else fingerprint_of_replay(found, job.replay_of)
    if not claim_content(worker, job.id, content):
        remember_fingerprint(worker, job.id, path, seen, found)
        return None
    with worker.sessions.begin() as session:
        connection = session.connection().connection.driver_connection
        inspected = inspector.inspect(connection, path, seen, content)
        if inspected.chunks_at_once is None:  # no key would refuse what comes twice
            refuse_grown(session, job, path, seen, worker.settings.source_watch_seconds)
        return _write_plan(worker, session, job.id, inspected)


def _plan_files(worker: Worker, inspector: Inspector, job: Job) -> list[int] | None:
    """Do the same for a source that is several files: one chunk holds all of them."""
    found = find_all_whole(worker, inspector, job)
    size = sum(seen.size for seen in found.values())
    with room_for_plan(worker, size), worker.sessions() as session:
        files = identify_files(session, job, found)
    if not claim_content(worker, job.id, fingerprint_of(files), files):
        return None
    with worker.sessions.begin() as session:
        left = read_files(session, job.id)
        connection = session.connection().connection.driver_connection
        columns = inspector.inspect_all(connection, [Path(file.path) for file in left])
        locked = lock_job(session, job.id)
        if locked is None or locked.state is not JobState.RUNNING:
            return None
        locked.bytes_total = sum(file.size for file in left)
        _note_columns(session, locked, columns)
        _bound_rejects(worker, locked)
        log.info("job_planned", job_id=str(job.id), bytes_total=locked.bytes_total, files=len(left))
        return write_chunks(session, locked, [Boundary(0, 1)], [None])


def _note_columns(session: Session, job: Job, columns: Columns) -> None:
    """Keep what tells the cells of a record, once it fits the last load; raises `HeaderError`."""
    job.header = list(columns.header)
    # Of UTF-16, later chunks and replays cannot see the mark that tells the byte order.
    dialect = {**job.definition.get("format", {}), "encoding": columns.encoding}
    job.definition = {**job.definition, "format": dialect}
    job.next_attempt_at = None
    compare_with_loads(session, job, columns)


def _bound_rejects(worker: Worker, job: Job) -> None:
    """Bound the failed rows of a job whose dataset does not: a few compressed bytes may hold millions of records."""
    if job.definition.get("max_rejected_rows") is None:
        most = worker.settings.max_rejected_rows + (job.bytes_total or 0)
        job.definition = {**job.definition, "max_rejected_rows": most}


def _write_plan(
    worker: Worker, session: Session, job_id: UUID, inspected: Inspected
) -> list[int] | None:
    """Write source and chunks into the ledger and release the first chunks."""
    job = lock_job(session, job_id)
    if job is None or job.state is not JobState.RUNNING:
        return None
    job.source_path = str(inspected.path)
    job.bytes_total = inspected.identity.size
    job.source_mtime_ns = inspected.identity.mtime_ns
    # Of a dataset with `settle`, beside what the looks before have noted.
    seen = {"inode": inspected.identity.inode, "device": inspected.identity.device}
    job.seen_identity = {**(job.seen_identity or {}), **seen}
    _note_columns(session, job, inspected.columns)
    _bound_rejects(worker, job)
    job.chunks_at_once = inspected.chunks_at_once
    earlier = find_unfinished(session, job)
    if earlier is None:
        numbers = write_chunks(session, job, inspected.boundaries, inspected.digests)
    else:
        take_over_chunks(session, job, earlier)
        numbers = release_chunks(session, job)
    log.info(
        "job_planned",
        job_id=str(job_id),
        bytes_total=job.bytes_total,
        chunks=len(inspected.boundaries),
        at_once=job.chunks_at_once,
    )
    return numbers


def _wait_or_fail(worker: Worker, job: Job, exc: BadInput) -> str:
    """Let the job wait for a source that may still come or become whole; else fail it."""
    if isinstance(exc, SourceUnsettled):
        return _wait_until_whole(worker, job, exc)
    if wait_for_source(worker, job, exc):
        return _state_of(worker, job.id)
    return _fail(worker, job.id, describe_failure(job, exc))


def _wait_until_whole(worker: Worker, job: Job, exc: SourceUnsettled) -> str:
    """Plan the job again when its source can be whole; to see it change counts unless it may still arrive."""
    reason = JobError(exc.code, exc.message)
    counts, wait = not is_awaited(job), worker.settings.plan_retry_seconds
    if isinstance(exc, SourceSettling):
        counts, wait = counts and exc.has_changed, exc.wait_seconds
    return _plan_later(worker, job, reason, counts=counts, wait_seconds=wait)


def _plan_later(
    worker: Worker,
    job: Job,
    reason: JobError,
    *,
    counts: bool = True,
    wait_seconds: float = 0.0,
) -> str:
    """Begin the plan again after a while, or fail the job when it was begun often enough."""
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
            locked.fingerprint = None
            locked.next_attempt_at = datetime.now(UTC) + _seconds(wait)
    log.info(
        "plan_postponed",
        job_id=str(job.id),
        code=reason.code,
        attempt=job.attempt,
        wait_seconds=wait,
    )
    return JobState.QUEUED


def _plan_fault(exc: Exception, attempt: int) -> JobError:
    """Word the error of a plan that ended in what nobody expects of a source."""
    text = f"{type(exc).__name__}: {exc}"
    return JobError(
        "plan-fault",
        f"planning was begun {attempt} times and failed the last time with {text}; "
        "see the worker's log, then trigger the job again",
    )


def _fail(worker: Worker, job_id: UUID, error: JobError) -> str:
    with worker.sessions.begin() as session:
        job = lock_job(session, job_id)
        if job is not None and job.state is JobState.RUNNING:
            record_end(session, job, JobState.FAILED, error=error)
            # The message may repeat cells of the file: it stands in the job alone.
            log.info("job_failed", job_id=str(job_id), code=error.code)
    after_end(worker, job_id)
    return _state_of(worker, job_id)


def _state_of(worker: Worker, job_id: UUID) -> str:
    with worker.sessions() as session:
        return session.scalars(select(Job.state).where(Job.id == job_id)).one().value


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
