"""Make a job: what every POST that starts a load comes down to.

    early check of the source ──► one transaction: key, job ──► publish ──► 202

The job's row is what counts. When the message cannot be published the answer is still 202: the
sweeper sends what the ledger says is queued.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from libs.common.enums import SENT_WHOLE, AuditAction
from libs.common.errors import PublishFault, SourceError
from libs.common.failpoints import FailPoint, failpoint
from libs.common.ledger.audit import Actor, record_audit
from libs.common.ledger.jobs import (
    JobRequest,
    arrival_deadline,
    create_job,
    find_job,
    mark_publish_failed,
    mark_published,
)
from libs.common.ledger.models import Job, Upload
from libs.common.logs import get_logger
from libs.common.sources.search import resolve_sources
from libs.common.sources.stores.search import is_url, locate_allowed
from services.api.dependencies import Dependencies
from services.api.errors.problems import RETRY_SECONDS, ProblemError
from services.api.idempotency import KeyedRequest, find_earlier, remember
from services.api.limits.quotas import require_room
from services.api.uploads.announced_uploads import hold_announced
from services.api.uploads.replayed_files import shared_source

log = get_logger(__name__)


class OutcomeUnknown(ProblemError):
    """The connection broke during the commit: the job may or may not exist."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "outcome-unknown",
            "the connection to Postgres broke while the job was recorded, it may or may not exist; "
            "send the request again with its Idempotency-Key, or look in GET /v1/jobs first",
            {"Retry-After": str(RETRY_SECONDS)},
        )


FindEarlier = Callable[[Session, str], Job | None]
"""Returns the job that has loaded a file, by the path that equal files share."""


@dataclass(frozen=True)
class Submission:
    """The job that answers a request; `is_repeat` when an earlier request with the key made it."""

    job: Job
    is_repeat: bool


def submit_job(
    dependencies: Dependencies,
    actor: Actor,
    request: JobRequest,
    keyed: KeyedRequest | None,
    stored_bytes: int = 0,
    find_earlier: FindEarlier | None = None,
    announced: UUID | None = None,
) -> Submission:
    """Make the job and have it planned, or return the one that the key made before.

    `stored_bytes`: the size of its file, where the api has stored that. `find_earlier` returns the job that stands for
    a replay of this file, under the lock of replays. `announced`: the upload that the job is made of, once.

    Raises `BadInput` and `ProblemError` (nothing was recorded) and `OutcomeUnknown`.
    """
    keyed = keyed and keyed.of_owner(request.owner)
    with dependencies.sessions() as session:
        submission = _record(
            dependencies, session, request, keyed, stored_bytes, find_earlier, announced
        )
        if not submission.is_repeat:
            _audit(session, actor, submission.job)
        _commit(session)
    failpoint(FailPoint.AFTER_INSERT)
    if not submission.is_repeat:
        job = submission.job
        log.info("job_created", job_id=str(job.id), dataset=job.dataset, trigger=job.trigger.value)
        _publish(dependencies, job)
    return submission


def _record(
    dependencies: Dependencies,
    session: Session,
    request: JobRequest,
    keyed: KeyedRequest | None,
    stored_bytes: int,
    find_stored: FindEarlier | None,
    announced: UUID | None,
) -> Submission:
    earlier = find_earlier(session, keyed) if keyed else None
    if earlier is not None:
        return Submission(find_job(session, earlier), is_repeat=True)
    stored = request.source
    if request.replay_of is not None and stored is not None:
        shared = shared_source(session, dependencies.settings, request.replay_of, stored)
        request = replace(request, source=shared)
        stored_bytes = stored_bytes if shared == stored else 0
        same = find_stored(session, shared) if find_stored else None
        if same is not None:
            return Submission(same, is_repeat=True)
    upload = hold_announced(session, announced) if announced else None
    require_room(
        session,
        dependencies.settings,
        request.owner,
        stored_bytes,
        is_announced=upload is not None,
    )
    job = create_job(session, request)
    _check_source(dependencies, job)
    if job.owner is not None and stored_bytes:
        folder = UUID(Path(job.source).parent.name)
        session.add(Upload(folder=folder, owner=job.owner, bytes=stored_bytes))
    if upload is not None:
        upload.job_id = job.id
    if keyed:
        remember(session, keyed, job.id)
    session.flush()
    return Submission(job, is_repeat=False)


def _audit(session: Session, actor: Actor, job: Job) -> None:
    action = AuditAction.JOB_FORCE if job.force else AuditAction.JOB_TRIGGER
    if job.replay_of is not None:
        action = AuditAction.JOB_REPLAY
    record_audit(
        session,
        actor,
        action,
        f"job/{job.id}",
        dataset=job.dataset,
        data_date=job.data_date.isoformat(),
        source=job.source,
        replay_of=str(job.replay_of) if job.replay_of else None,
        force=job.force,
        dry_run=job.dry_run,
    )


def _check_source(dependencies: Dependencies, job: Job) -> None:
    """Raise `BadInput` for a source that cannot be loaded; one that is not there may still come."""
    definition = job.parsed_definition()
    areas = dependencies.settings.areas(is_sent=job.trigger in SENT_WHOLE)
    if is_url(job.source):
        locate_allowed(job.source, areas)  # the api itself may not reach the store
        return
    try:
        resolve_sources(job.source, areas, definition.match)
    except SourceError as exc:
        deadline = arrival_deadline(definition, job.trigger, job.created_at)
        may_come = deadline is not None and deadline > datetime.now(UTC)
        if exc.code != "source-missing" or not may_come:
            raise


def _commit(session: Session) -> None:
    try:
        session.commit()
    except SQLAlchemyError as exc:
        raise OutcomeUnknown from exc


def _publish(dependencies: Dependencies, job: Job) -> None:
    """Send the job to a worker and note how that went; neither outcome changes the answer."""
    try:
        dependencies.dispatcher.send_plan(job.id, job.request_id)
        failpoint(FailPoint.AFTER_PUBLISH)
        note = mark_published
    except PublishFault as exc:
        log.warning("publish_failed", job_id=str(job.id), error=str(exc))
        dependencies.metrics.publish_failures.inc()
        note = mark_publish_failed
    try:
        with dependencies.sessions.begin() as session:
            note(session, job.id)
        failpoint(FailPoint.AFTER_CONFIRM)
    except SQLAlchemyError as exc:
        # The sweeper looks at the job a little later than it could have.
        log.warning("publish_not_noted", job_id=str(job.id), error=type(exc).__name__)
