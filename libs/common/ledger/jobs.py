"""Make jobs and move them through their states; `job_end` ends them.

    queued ──plan──► running ──finish──► succeeded | completed_with_rejects | failed
       ▲              │   ▲
       └─ unsettled, ─┤   └─ sent again by the sweeper ─┐
          waits its   └──► waiting ─────────────────────┘
          turn             its source is not there (`arrival`)

    any live state ──► cancelled | failed;  running ──► duplicate | outdated, of a dry run checked

A job's row is its outbox entry as well: a row that is `queued` or `waiting` and due is sent again by the
sweeper until a worker has planned it. An end state and its event are written in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, bindparam, case, func, select, update
from sqlalchemy.orm import Session

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import (
    SENT_WHOLE,
    JobState,
    Trigger,
)
from libs.common.errors import BadInput, NotFound
from libs.common.ledger.datasets import hold_dataset
from libs.common.ledger.job_end import event_payload
from libs.common.ledger.models import Event, Job
from libs.common.ledger.notifications import HEADER_CHANGED, LATE, record_event
from libs.common.ledger.session import commit_without_waiting
from libs.common.logs import bound_request_id
from libs.common.sources import source_pattern

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
    # A plan that was quicker than this note may have said when its source can have settled, or that it is held.
    next_attempt_at=case(
        (
            Job.seen_identity.is_(None) & Job.next_attempt_at.is_not(None),
            func.now() + _PATIENCE,
        ),
        else_=Job.next_attempt_at,
    ),
).execution_options(synchronize_session=False)


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What is asked for when a job is made; what is left out comes from the dataset.

    `definition` takes the place of the dataset's own; it was made of the dataset's `definition_version`, now's if None.
    """

    dataset: str
    trigger: Trigger
    source: str | None = None
    data_date: date | None = None
    force: bool = False
    dry_run: bool = False
    due_at: datetime | None = None
    request_id: str | None = field(default_factory=bound_request_id)
    owner: str | None = None
    replay_of: UUID | None = None
    definition: DatasetDefinition | None = None
    definition_version: int | None = None


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
    definition = request.definition or dataset.parsed()
    if request.dry_run:  # chunks that see nothing of each other would judge otherwise
        definition = definition.model_copy(update={"atomic": True})
    data_date = request.data_date or today_for(definition)
    job = Job(
        dataset=dataset.name,
        definition=definition.model_dump(mode="json"),
        definition_version=request.definition_version or dataset.version,
        data_date=data_date,
        source=request.source or expand_source(definition, data_date),
        trigger=request.trigger,
        due_at=request.due_at,
        force=request.force,
        dry_run=request.dry_run,
        request_id=request.request_id,
        owner=request.owner,
        replay_of=request.replay_of,
        next_attempt_at=func.now() + RESEND_AFTER,
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


def record_wait(
    session: Session,
    job: Job,
    *,
    until: datetime,
    next_attempt_at: datetime | ColumnElement[datetime],
) -> bool:
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
        payload = event_payload(job) | {"waits_until": until.isoformat()}
        record_event(session, job, Event(job_id=job.id, type=LATE, payload=payload))
    session.flush()
    return is_first


def record_growth(session: Session, job: Job, path: str, bytes_loaded: int, bytes_now: int) -> bool:
    """Note that a file of a locked job grew after its load, which makes an event; False when that is noted already."""
    grown = {"path": path, "bytes_loaded": bytes_loaded, "bytes_now": bytes_now}
    return _make_event_once(session, job, SOURCE_GREW, grown)


class HeaderChanges(NamedTuple):
    """How a header differs from that of an earlier job: cells that came in addition, and cells that are gone."""

    since: UUID
    added: Sequence[str]
    lost: Sequence[str]


def record_header_changes(session: Session, job: Job, changes: HeaderChanges) -> None:
    """Note how the header of a locked job differs from the last load's, which makes an event, once a job."""
    found = {"since": str(changes.since), "added": list(changes.added), "lost": list(changes.lost)}
    job.header_changes = found
    _make_event_once(session, job, HEADER_CHANGED, {"header_changes": found})


def _make_event_once(session: Session, job: Job, kind: str, more: dict[str, Any]) -> bool:
    """Make an event of a locked job, with what the events of ends have and more; False when there is one already."""
    made = select(Event.id).where(Event.job_id == job.id, Event.type == kind)
    if session.scalar(made.limit(1)) is not None:
        return False
    event = Event(job_id=job.id, type=kind, payload=event_payload(job) | more)
    record_event(session, job, event)
    session.flush()
    return True
