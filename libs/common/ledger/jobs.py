"""Move a job through its states; the only module that makes a job or ends one.

    queued ──plan──► running ──finish──► succeeded | completed_with_rejects | failed
       ▲              │   ▲
       └─ unsettled, ─┤   └─ sent again by the sweeper ─┐
          waits its   └──► waiting ─────────────────────┘
          turn             its source is not there (`arrival`)

    any live state ──► cancelled | failed;  running ──► duplicate | outdated

A job's row is its outbox entry as well: a row that is `queued` or `waiting` and due is sent again by the
sweeper until a worker has planned it. An end state and its event are written in one transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, bindparam, case, func, select, update
from sqlalchemy.orm import Session

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.job_warnings import merge_warnings
from libs.common.enums import (
    END_STATES,
    LOADED_STATES,
    AfterLoad,
    ChunkState,
    ErrorCode,
    JobState,
    Trigger,
)
from libs.common.errors import BadInput, NotFound, cut_message
from libs.common.ledger.models import Chunk, Dataset, Event, FailedRow, Job
from libs.common.ledger.session import commit_without_waiting
from libs.common.sources import source_pattern

SENT_WHOLE = frozenset({Trigger.UPLOAD, Trigger.REPLAY})
"""Their sources are files of the api, which are there as a whole or not at all."""

SOURCE_GREW = "job.source-grew"
"""The event of an ended job whose source has become longer since."""

RESEND_AFTER = timedelta(seconds=60)
"""How long a published message may go unheard before the sweeper sends it again."""

PLAN_OVERDUE = timedelta(minutes=5)
"""A plan that has not written its chunks after this time is begun again."""

LONGEST_PATIENCE = timedelta(minutes=15)
"""A plan may wait long behind others; sending it again and again would only lengthen the queue."""

_PATIENCE = func.greatest(RESEND_AFTER, func.least(func.now() - Job.created_at, LONGEST_PATIENCE))

# What each job runs several times is put together once: that takes longer than to run it.
_LOCK_JOB = (
    select(Job)
    .where(Job.id == bindparam("job_id"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
_STILL_QUEUED = update(Job).where(Job.id == bindparam("the_job"), Job.state == JobState.QUEUED)
_MARK_PUBLISHED = _STILL_QUEUED.values(
    published_at=func.now(),
    # A plan that was quicker than this note may have said when its source can have settled.
    next_attempt_at=case(
        (Job.seen_identity.is_(None), func.now() + _PATIENCE), else_=Job.next_attempt_at
    ),
).execution_options(synchronize_session=False)
_COUNTS_BY_STATE = (
    select(
        Chunk.state,
        func.sum(Chunk.rows_read),
        func.sum(Chunk.rows_loaded),
        func.sum(Chunk.rows_rejected),
        func.sum(Chunk.rows_superseded),
        func.sum(Chunk.bytes_done),
    )
    .where(Chunk.job_id == bindparam("job_id"))
    .group_by(Chunk.state)
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


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What is asked for when a job is made; what is left out comes from the dataset.

    `definition` takes the place of the dataset's own; it was made of the dataset's `definition_version`.
    """

    dataset: str
    trigger: Trigger
    source: str | None = None
    data_date: date | None = None
    force: bool = False
    due_at: datetime | None = None
    request_id: str | None = None
    owner: str | None = None
    replay_of: UUID | None = None
    definition: DatasetDefinition | None = None
    definition_version: int | None = None


@dataclass(frozen=True)
class JobError:
    """Why a job failed: a stable code and a message that says how to fix it."""

    code: str
    message: str


@dataclass(frozen=True)
class Counts:
    """What became of a job's records; `read` is the sum of the others."""

    read: int
    loaded: int
    rejected: int
    superseded: int
    bytes_done: int


def find_dataset(session: Session, name: str) -> Dataset:
    """Return the dataset called `name`, or raise `NotFound` that says how to fix it."""
    return require_live(name, session.scalar(_live_dataset(name)))


def hold_dataset(session: Session, name: str) -> Dataset:
    """Return the dataset and keep it from being deleted until the transaction ends, or raise `NotFound`."""
    held = _live_dataset(name).with_for_update(read=True, key_share=True)
    return require_live(name, session.scalar(held.execution_options(populate_existing=True)))


def _live_dataset(name: str) -> Select[Dataset]:
    return select(Dataset).where(Dataset.name == name, Dataset.deleted_at.is_(None))


def require_live(name: str, dataset: Dataset | None) -> Dataset:
    """Return the dataset if there is one that is not deleted, or raise `NotFound` that says how to fix it."""
    if dataset is None or dataset.deleted_at is not None:
        raise unknown_dataset(name)
    return dataset


def unknown_dataset(name: str) -> NotFound:
    """Make the error for a dataset that is not there (any more)."""
    return NotFound(
        "dataset-unknown",
        f"there is no dataset {name!r}; GET /v1/datasets lists them, PUT /v1/datasets/{name} makes one",
    )


def find_job(session: Session, job_id: UUID) -> Job:
    """Return the job, or raise `NotFound`."""
    job = session.get(Job, job_id)
    if job is None:
        raise unknown_job(job_id)
    return job


def unknown_job(job_id: UUID) -> NotFound:
    """Make the error for a job that is not there, or not there for whoever asks."""
    return NotFound("job-unknown", f"there is no job {job_id}; GET /v1/jobs lists them")


def today_for(definition: DatasetDefinition) -> date:
    """Return today's date where the dataset lives: the default data date."""
    return datetime.now(ZoneInfo(definition.day_zone)).date()


def expand_source(definition: DatasetDefinition, data_date: date) -> str:
    """Return the dataset's source for a data date, or raise `BadInput` when it has none."""
    if definition.source is None:
        raise BadInput(
            "source-not-given",
            "this dataset has no source pattern; name a 'source' or send the file to its uploads",
        )
    try:
        return source_pattern.expand(definition.source, data_date)
    except ValueError as exc:
        raise BadInput(
            "source-not-given", f"{exc}; name a 'source' or another 'data_date'"
        ) from exc


def arrival_deadline(
    definition: DatasetDefinition, trigger: Trigger, start: datetime
) -> datetime | None:
    """Return until when a job that is due or was made at `start` waits for its source; None: not at all."""
    if definition.arrival is None or trigger in SENT_WHOLE:
        return None
    return definition.arrival.deadline(start, ZoneInfo(definition.day_zone))


def create_job(session: Session, request: JobRequest) -> Job:
    """Add a queued job to the session and flush it; the caller commits, then publishes.

    Raises `NotFound` for an unknown dataset and `BadInput` when no source is known. For a scheduled job a
    second one of the same due time violates a unique constraint (sqlalchemy.exc.IntegrityError).
    """
    dataset = hold_dataset(session, request.dataset)
    definition, version = request.definition, request.definition_version
    if definition is None:
        definition, version = dataset.parsed(), dataset.version
    data_date = request.data_date or today_for(definition)
    job = Job(
        dataset=dataset.name,
        definition=definition.model_dump(mode="json"),
        definition_version=version,
        data_date=data_date,
        source=request.source or expand_source(definition, data_date),
        trigger=request.trigger,
        due_at=request.due_at,
        force=request.force,
        request_id=request.request_id,
        owner=request.owner,
        replay_of=request.replay_of,
        next_attempt_at=datetime.now(UTC) + RESEND_AFTER,
    )
    session.add(job)
    session.flush()
    return job


def mark_published(session: Session, job_id: UUID) -> None:
    """Note that the plan message of a still queued job was confirmed by the broker."""
    # Undone by a crash of Postgres, the note only lets the message be sent once more.
    commit_without_waiting(session)
    session.execute(_MARK_PUBLISHED, {"the_job": job_id})


def mark_publish_failed(session: Session, job_id: UUID) -> None:
    """Make a still queued job due at once, so that the next sweep sends it."""
    session.execute(_STILL_QUEUED.values(next_attempt_at=func.now()), {"the_job": job_id})


def lock_job(session: Session, job_id: UUID) -> Job | None:
    """Return the job with its row locked for this transaction, or None when there is none."""
    return session.scalar(_LOCK_JOB, {"job_id": job_id})


def count_by_state(session: Session, job_id: UUID) -> dict[ChunkState, Counts]:
    """Sum what the job's chunks have on record, by the state that they are in."""
    rows = session.execute(_COUNTS_BY_STATE, {"job_id": job_id})
    return {state: Counts(*(int(value) for value in sums)) for state, *sums in rows}


def sum_finished(counts: Mapping[ChunkState, Counts]) -> Counts:
    """Sum what the chunks that are over have on record."""
    over = [counts[state] for state in (ChunkState.DONE, ChunkState.FAILED) if state in counts]
    return Counts(
        read=sum(each.read for each in over),
        loaded=sum(each.loaded for each in over),
        rejected=sum(each.rejected for each in over),
        superseded=sum(each.superseded for each in over),
        bytes_done=sum(each.bytes_done for each in over),
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
    # Kept, so that nobody has to go through all of them again.
    reasons = count_failed_rows(session, job.id) if counts.rejected else {}
    job.rows_read, job.rows_loaded = counts.read, counts.loaded
    job.rows_rejected, job.rows_superseded = counts.rejected, counts.superseded
    job.bytes_done = counts.bytes_done
    job.rejected_by_code = {code.value: count for code, count in reasons.items()}
    job.warnings = _all_warnings(session, job)
    job.state = state
    job.error_code = error.code if error else None
    job.error_message = cut_message(error.message) if error else None
    job.duplicate_of = duplicate_of
    job.outdated_by = outdated_by
    job.finished_at = datetime.now(UTC)
    job.next_attempt_at = None
    if _puts_files_away(job):
        job.files_due_at = job.finished_at
    session.add(Event(job_id=job.id, type=f"job.{state.value}", payload=_event_payload(job)))
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


def record_wait(session: Session, job: Job, *, until: datetime, next_attempt_at: datetime) -> bool:
    """Let a locked running job wait for its source; return True when it begins to, which makes an event.

    Looking for the source is no attempt that went wrong.
    """
    if job.state is not JobState.RUNNING:
        raise ValueError(f"job {job.id} cannot move from {job.state} to waiting")
    is_first = job.waiting_since is None
    job.state = JobState.WAITING
    job.waiting_since = job.waiting_since or datetime.now(UTC)
    job.started_at = None
    job.attempt -= 1
    job.fingerprint = None
    job.next_attempt_at = next_attempt_at
    if is_first:
        payload = _event_payload(job) | {"waits_until": until.isoformat()}
        session.add(Event(job_id=job.id, type="job.late", payload=payload))
    session.flush()
    return is_first


def record_growth(session: Session, job: Job, path: str, bytes_loaded: int, bytes_now: int) -> bool:
    """Note that a file of a locked job grew after its load, which makes an event; False when that is noted already."""
    told = select(Event.id).where(Event.job_id == job.id, Event.type == SOURCE_GREW)
    if session.scalar(told.limit(1)) is not None:
        return False
    grown = {"path": path, "bytes_loaded": bytes_loaded, "bytes_now": bytes_now}
    payload = _event_payload(job) | grown
    session.add(Event(job_id=job.id, type=SOURCE_GREW, payload=payload))
    session.flush()
    return True


def count_failed_rows(session: Session, job_id: UUID) -> dict[ErrorCode, int]:
    """Count the job's failed rows by reason, going through all of them."""
    rows = session.execute(
        select(FailedRow.error_code, func.count())
        .where(FailedRow.job_id == job_id)
        .group_by(FailedRow.error_code)
    )
    return {row[0]: row[1] for row in rows}


def _event_payload(job: Job) -> dict[str, object]:
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
        "duplicate_of": str(job.duplicate_of) if job.duplicate_of else None,
        "outdated_by": str(job.outdated_by) if job.outdated_by else None,
        "error": {"code": job.error_code, "message": job.error_message} if job.error_code else None,
        "warnings": [warning["code"] for warning in job.warnings],
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }
