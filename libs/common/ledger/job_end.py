"""End a job: the only module that does; the end, its event and what it has loaded are one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Case, bindparam, case, cast, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from libs.common.datasets.job_warnings import merge_warnings
from libs.common.enums import (
    END_STATES,
    LOADED_STATES,
    SENT_WHOLE,
    AfterLoad,
    ChunkState,
    ErrorCode,
    JobState,
)
from libs.common.errors import MESSAGE_LIMIT, cut_message
from libs.common.ledger.models import Chunk, Event, FailedRow, Job
from libs.common.ledger.notifications import record_event
from libs.common.ledger.unread_content import is_unread

ROW_CHANGES = ("rows_inserted", "rows_updated", "rows_deleted", "rows_unchanged")
"""What a load has changed in its table, where it has been counted."""


def _sum_if_all_known(column: InstrumentedAttribute[int | None]) -> Case[Any]:
    return case((func.count(column) == func.count(), func.sum(column)))


_COUNTS_BY_STATE = (
    select(
        Chunk.state,
        func.sum(Chunk.rows_read),
        func.sum(Chunk.rows_loaded),
        func.sum(Chunk.rows_rejected),
        func.sum(Chunk.rows_superseded),
        func.sum(Chunk.bytes_done),
        *(_sum_if_all_known(getattr(Chunk, name)) for name in ROW_CHANGES),
    )
    .where(Chunk.job_id == bindparam("job_id"))
    .group_by(Chunk.state)
)


_CODES = func.jsonb_each_text(Chunk.rejected_by_code).table_valued("key", "value")
_REJECTED_BY_CODE = (
    select(_CODES.c.key, func.sum(cast(_CODES.c.value, BigInteger)))
    .select_from(Chunk)
    .join(_CODES, true())
    .where(
        Chunk.job_id == bindparam("job_id"), Chunk.state.in_((ChunkState.DONE, ChunkState.FAILED))
    )
    .group_by(_CODES.c.key)
)
_WARNINGS_OF_CHUNKS = (
    select(Chunk.warnings)
    .where(
        Chunk.job_id == bindparam("job_id"),
        Chunk.state == ChunkState.DONE,
        func.jsonb_array_length(Chunk.warnings) > 0,
    )
    .order_by(Chunk.number)
)


@dataclass(frozen=True)
class JobError:
    """Why a job failed: a stable code and a message that says how to fix it, of at most `limit` characters."""

    code: str
    message: str
    limit: int = MESSAGE_LIMIT


@dataclass(frozen=True)
class Counts:
    """What became of a job's records; `read` is the sum of the others. `changes` are those of `ROW_CHANGES`."""

    read: int
    loaded: int
    rejected: int
    superseded: int
    bytes_done: int
    changes: tuple[int | None, ...] = (None,) * len(ROW_CHANGES)


def count_by_state(session: Session, job_id: UUID) -> dict[ChunkState, Counts]:
    """Sum what the job's chunks have on record, by the state that they are in."""
    rows = session.execute(_COUNTS_BY_STATE, {"job_id": job_id})
    return {
        state: _counts(sums[: -len(ROW_CHANGES)], sums[-len(ROW_CHANGES) :])
        for state, *sums in rows
    }


def _counts(sums: Sequence[Any], changes: Sequence[Any]) -> Counts:
    known = (None if value is None else int(value) for value in changes)
    read, loaded, rejected, superseded, bytes_done = map(int, sums)
    return Counts(read, loaded, rejected, superseded, bytes_done, tuple(known))


def sum_finished(counts: Mapping[ChunkState, Counts]) -> Counts:
    """Sum what the chunks that are over have on record."""
    over = [counts[state] for state in (ChunkState.DONE, ChunkState.FAILED) if state in counts]
    return Counts(
        read=sum(each.read for each in over),
        loaded=sum(each.loaded for each in over),
        rejected=sum(each.rejected for each in over),
        superseded=sum(each.superseded for each in over),
        bytes_done=sum(each.bytes_done for each in over),
        changes=_sum_known([each.changes for each in over]),
    )


def _sum_known(changes: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
    """Sum what has been counted; None where a part has not been."""
    if not changes:
        return (None,) * len(ROW_CHANGES)
    return tuple(
        None if None in each else sum(value for value in each if value is not None)
        for each in zip(*changes, strict=True)
    )


def record_end(
    session: Session,
    job: Job,
    state: JobState,
    *,
    counts: Counts | None = None,
    error: JobError | None = None,
    duplicate_of: UUID | None = None,
    outdated_by: UUID | None = None,
) -> None:
    """End a locked live job: its state, counts and event become part of the caller's transaction.

    `counts` are those of its chunks, where the caller has just seen them.
    """
    if state not in END_STATES or job.state in END_STATES:
        raise ValueError(f"job {job.id} cannot move from {job.state} to {state}")
    counts = counts or sum_finished(count_by_state(session, job.id))
    # Kept, so that nobody has to go through all of them again. All is asked before the job is changed: else the session
    # would write the half of it first, and the row has many indexes.
    reasons = _count_reasons(session, job.id, counts.rejected)
    warnings = _all_warnings(session, job)
    job.rows_read, job.rows_loaded = counts.read, counts.loaded
    job.rows_rejected, job.rows_superseded = counts.rejected, counts.superseded
    job.bytes_done = counts.bytes_done
    for name, count in zip(ROW_CHANGES, counts.changes, strict=True):
        setattr(job, name, count)
    job.rejected_by_code = {code.value: count for code, count in reasons.items()}
    job.warnings = warnings
    job.state = state
    if is_unread(job.fingerprint):
        job.fingerprint = None  # a load that is done has noted it
    job.error_code = error.code if error else None
    job.error_message = cut_message(error.message, error.limit) if error else None
    job.duplicate_of = duplicate_of
    job.outdated_by = outdated_by
    job.finished_at = datetime.now(UTC)
    job.next_attempt_at = None
    job.failed_rows_settled = job.failed_rows_settled or job.dry_run  # no replay can load them
    if _puts_files_away(job):
        job.files_due_at = job.finished_at
    event = Event(job_id=job.id, type=f"job.{state.value}", payload=event_payload(job))
    record_event(session, job, event)
    session.flush()


def _puts_files_away(job: Job) -> bool:
    """Return whether the files of a job that has ended are to be moved or deleted: their data are loaded."""
    return (
        job.state in {*LOADED_STATES, JobState.DUPLICATE}
        and job.trigger not in SENT_WHOLE
        and job.definition.get("after_load", AfterLoad.KEEP) != AfterLoad.KEEP
    )


def _all_warnings(session: Session, job: Job) -> list[dict[str, Any]]:
    """Return the warnings of a job's plan and of its chunks that are done."""
    of_chunks = session.scalars(_WARNINGS_OF_CHUNKS, {"job_id": job.id})
    return merge_warnings([*job.warnings, *chain.from_iterable(of_chunks)])


def _count_reasons(session: Session, job_id: UUID, rejected: int) -> dict[ErrorCode, int]:
    """Count the failed rows of the chunks that are over by reason.

    Loaders of a version before have not counted them in their chunks: then all are gone through.
    """
    if not rejected:
        return {}
    rows = session.execute(_REJECTED_BY_CODE, {"job_id": job_id})
    counted = {ErrorCode(code): int(count) for code, count in rows}
    if sum(counted.values()) == rejected:
        return counted
    return count_failed_rows(session, job_id)


def count_failed_rows(session: Session, job_id: UUID) -> dict[ErrorCode, int]:
    """Count the job's failed rows by reason, going through all of them."""
    rows = session.execute(
        select(FailedRow.error_code, func.count())
        .where(FailedRow.job_id == job_id)
        .group_by(FailedRow.error_code)
    )
    return {row[0]: row[1] for row in rows}


def event_payload(job: Job) -> dict[str, object]:
    """Describe a job to those who listen on the events exchange."""
    return {
        "job_id": str(job.id),
        "dataset": job.dataset,
        "data_date": job.data_date.isoformat(),
        "source": job.source,
        "state": job.state.value,
        "trigger": job.trigger.value,
        "rows_read": job.rows_read,
        "rows_loaded": job.rows_loaded,
        "rows_rejected": job.rows_rejected,
        "rows_superseded": job.rows_superseded,
        **{name: getattr(job, name) for name in ROW_CHANGES},
        "duplicate_of": str(job.duplicate_of) if job.duplicate_of else None,
        "outdated_by": str(job.outdated_by) if job.outdated_by else None,
        "error": {"code": job.error_code, "message": job.error_message} if job.error_code else None,
        "warnings": [warning["code"] for warning in job.warnings],
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }
