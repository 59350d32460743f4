"""Write a job's chunks into the ledger and send those whose turn it is."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import zip_longest
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from libs.common.csv.chunk_boundaries import Boundary
from libs.common.enums import ChunkState, JobState, LoadMode
from libs.common.errors import BadInput, PublishFault
from libs.common.ledger.jobs import RESEND_AFTER
from libs.common.ledger.models import Chunk, Job
from libs.common.ledger.session import commit_without_waiting
from libs.common.logs import get_logger
from libs.common.sql_files import statement
from services.worker.dependencies import WorkerContext
from services.worker.planning.job_files import ONCE_WITH, once_with
from services.worker.planning.places import count_chunks_at_once
from services.worker.settings import WorkerSettings

log = get_logger(__name__)

LONGEST_PATIENCE = timedelta(hours=1)
"""Chunks may wait long for a free loader; sending them again and again would only lengthen the queue."""

IS_UNDER_WAY = (Chunk.state == ChunkState.RUNNING) | (
    (Chunk.state == ChunkState.QUEUED) & Chunk.next_attempt_at.is_not(None)
)
"""Of a chunk: a loader is processing it, or its message is on the way."""

_UNFINISHED = (
    select(Job)
    .join(Chunk, Chunk.job_id == Job.id)
    .where(
        *ONCE_WITH,
        Job.fingerprint.in_(bindparam("contents", expanding=True)),
        Job.state.in_([JobState.FAILED, JobState.CANCELLED]),
        Chunk.state == ChunkState.DONE,
        Chunk.rows_loaded > 0,
    )
    # The one that ended last holds what those before it have loaded; it may have been made before them.
    .order_by(Job.finished_at.desc())
    .limit(1)
)

_WHAT_IS_LOADED = (
    *("table", "columns", "header_match", "unknown_columns", "convert", "add"),
    *("format", "mode", "atomic", "time_zone", "date_order"),
)
"""The options of a dataset that must be equal where a job goes on with what another one has begun."""

_PATIENCE = {"resend_after": RESEND_AFTER, "longest_patience": LONGEST_PATIENCE}


class DueChunks(NamedTuple):
    """The numbers of a job's chunks that are to be sent, and how many bytes all of the job has, as stored."""

    numbers: list[int]
    job_bytes: int


def write_chunks(
    session: Session,
    settings: WorkerSettings,
    job: Job,
    boundaries: list[Boundary],
    digests: Sequence[str | None],
) -> DueChunks:
    """Add the chunks that begin at `boundaries`; the last one ends where the source ends.

    Returns those that are due: the first ones, as many as may be under way at once.
    """
    most = count_chunks_at_once(session, settings, job) if len(boundaries) > 1 else None
    due = range(min(len(boundaries), most or len(boundaries)))
    ends = zip_longest(boundaries, boundaries[1:])
    for number, ((here, after), digest) in enumerate(zip(ends, digests, strict=True)):
        session.add(
            Chunk(
                job_id=job.id,
                number=number,
                byte_start=here.byte_offset,
                byte_end=after.byte_offset if after else None,
                first_line=here.line_number,
                digest=digest,
                next_attempt_at=func.now() if number in due else None,
            )
        )
    session.flush()
    return DueChunks(list(due), job.bytes_total or 0)


def find_unfinished(session: Session, job: Job, contents: Collection[str]) -> Job | None:
    """Return the latest failed or cancelled job that has loaded rows of such a content, which `job` would load again.

    One that has loaded none is no reason not to begin anew, perhaps with a corrected format; nor is any for a job
    that sets the table's state.
    """
    if job.force or job.dry_run or job.parsed_definition().mode is not LoadMode.APPEND:
        return None
    return session.scalar(_UNFINISHED, {**once_with(job), "contents": list(contents)})


def take_over_chunks(session: Session, job: Job, earlier: Job) -> None:
    """Go on where an earlier job of the same content ended: its done chunks and their failed rows become this job's.

    Raises `BadInput` when the two would not load the same.
    """
    require_alike(job, earlier)
    parameters = {"job_id": job.id, "earlier_id": earlier.id}
    for name in ("take_over", "take_over_failed_rows"):
        session.execute(statement(__package__, name), parameters)
    log.info("chunks_taken_over", job_id=str(job.id), earlier_job_id=str(earlier.id))


def require_alike(job: Job, earlier: Job) -> None:
    """Raise `BadInput` when a job cannot go on where an earlier one ended: they would not load the same (decision 11).

    A job over several files, which is atomic, cannot go on where a chunked one ended.
    """
    now, then = (each.parsed_definition().model_dump() for each in (job, earlier))
    changed = [name for name in _WHAT_IS_LOADED if now[name] != then[name]]
    if changed:
        raise BadInput(
            "resume-refused",
            f"job {earlier.id} has loaded a part of this file into {then['table']} and did not end; the dataset has "
            f"changed since ({', '.join(changed)}), so going on would load rows twice or into two places: undo that "
            f"change with PUT (GET /v1/datasets/{earlier.dataset}/versions/{earlier.definition_version} is what it "
            "was) and trigger again to load the rest, or delete those rows and trigger this file alone (as 'source') "
            "with force",
        )


def release_chunks(session: Session, settings: WorkerSettings, job: Job) -> DueChunks:
    """Make the chunks due whose turn it is and return them: the next ones, as many as may be under way.

    What is due is sent by `send_chunks` after the commit, or else by the sweeper.
    """
    waiting = (
        select(Chunk.number)
        .where(
            Chunk.job_id == job.id,
            Chunk.state == ChunkState.QUEUED,
            Chunk.next_attempt_at.is_(None),
        )
        .order_by(Chunk.number)
    )
    most = count_chunks_at_once(session, settings, job)
    if most is not None:
        waiting = waiting.limit(max(0, most - _count_under_way(session, job.id)))
    numbers = list(session.scalars(waiting))
    session.execute(
        update(Chunk)
        .where(Chunk.job_id == job.id, Chunk.number.in_(numbers))
        .values(next_attempt_at=func.now())
    )
    return DueChunks(numbers, job.bytes_total or 0)


def send_chunks(
    worker: WorkerContext, job_id: UUID, due: DueChunks, request_id: str | None
) -> bool:
    """Send released chunks to the loaders; what cannot be published stays due for the sweeper.

    Returns False when the broker did not confirm one of them.
    """
    sent = []
    is_small = due.job_bytes <= worker.settings.small_load_bytes
    try:
        for number in due.numbers:
            worker.dispatcher.send_chunk(job_id, number, request_id, is_small=is_small)
            sent.append(number)
    except PublishFault as exc:
        log.warning("publish_failed", job_id=str(job_id), task="load.chunk", error=str(exc))
    with worker.sessions.begin() as session:
        # Undone by a crash of Postgres, the note only lets the chunks be sent once more.
        commit_without_waiting(session)
        session.execute(
            statement(__package__, "note_sent"), {"job_id": job_id, "numbers": sent, **_PATIENCE}
        )
    return len(sent) == len(due.numbers)


def _count_under_way(session: Session, job_id: UUID) -> int:
    under_way = select(func.count()).where(Chunk.job_id == job_id, IS_UNDER_WAY)
    return session.scalars(under_way).one()
