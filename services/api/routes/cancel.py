"""Cancel a job: end it at once while nobody loads it, else ask its loaders to stop.

    no chunks yet ──► cancelled, in this transaction
    chunks        ──► request on record ──► loaders' next heartbeat, worker's finish ──► cancelled
    all done      ──► the rows are committed: it ends as it would have

The job's row is locked meanwhile, as a plan locks it: either the plan sees the end, or this sees its chunks.
"""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from libs.common.enums import END_STATES, AuditAction, JobState
from libs.common.errors import Conflict, PublishFault
from libs.common.ledger.audit import record_audit
from libs.common.ledger.job_end import record_end
from libs.common.ledger.jobs import lock_job
from libs.common.ledger.models import Chunk, Job
from libs.common.logs import get_logger
from services.api.dependencies import Dependencies, Wired
from services.api.responses import Responses, problems
from services.api.routes.jobs import describe_job
from services.api.schemas import JobDocument
from services.api.security.caller import Caller, Submitter

log = get_logger(__name__)
router = APIRouter(tags=["jobs"])

_ANSWERS: Responses = {
    200: {"description": "The job is cancelled."},
    202: {
        "description": "The job is being stopped: within seconds it reads `cancelled`, or as it has ended when "
        "its last rows were committed before anyone could stop it.",
        "model": JobDocument,
    },
    **problems(404, 409, 422, 503),
}


@router.post(
    "/v1/jobs/{job_id}/cancel",
    operation_id="cancelJob",
    summary="Cancel a job",
    responses=_ANSWERS,
)
def cancel_job(
    dependencies: Wired, caller: Submitter, response: Response, job_id: UUID
) -> JobDocument:
    """Stop a job. An atomic one leaves no rows; of a chunked one, the chunks that are done stay and count."""
    with dependencies.sessions.begin() as session:
        job = _locked(session, caller, job_id)
        asked_now = job.state is not JobState.CANCELLED and request_cancel(session, job)
        if asked_now:
            record_audit(session, caller.actor, AuditAction.JOB_CANCEL, f"job/{job.id}")
        document = describe_job(session, job)
    if asked_now:
        log.info("job_cancel_requested", job_id=str(job_id), state=document.state.value)
    if asked_now or document.state is JobState.RUNNING:
        _tell_worker(dependencies, job)
    if document.state is not JobState.CANCELLED:
        response.status_code = 202
    return document


def _locked(session: Session, caller: Caller, job_id: UUID) -> Job:
    """Return the job with its row locked, or raise `NotFound`."""
    job = caller.find_job(session, job_id)
    return lock_job(session, job_id) or job


def request_cancel(session: Session, job: Job) -> bool:
    """Note the request, and end a job of which nothing is planned; return False when it was asked before."""
    if job.state in END_STATES:
        raise Conflict(
            "job-ended",
            f"job {job.id} has ended as {job.state.value} and cannot be cancelled any more; "
            "GET /v1/jobs/{id} shows what it loaded",
        )
    is_first = job.cancel_requested_at is None
    job.cancel_requested_at = job.cancel_requested_at or datetime.now(UTC)
    if not session.scalar(select(exists().where(Chunk.job_id == job.id))):
        record_end(session, job, JobState.CANCELLED)
    return is_first


def _tell_worker(dependencies: Dependencies, job: Job) -> None:
    """Have a worker withdraw the chunks and publish the end; when that fails, the sweeper does."""
    try:
        dependencies.dispatcher.send_finish(job.id, job.request_id)
    except PublishFault as exc:
        log.warning("publish_failed", job_id=str(job.id), error=str(exc))
        dependencies.metrics.publish_failures.inc()
