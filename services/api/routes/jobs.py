"""Make jobs and show them: ``/trigger-job`` and ``/v1/jobs``."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response
from pydantic import Field
from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from libs.common.datasets.definition import DATASET_NAME_PATTERN
from libs.common.enums import JobState, LoadPath, Trigger
from libs.common.ledger.jobs import JobRequest
from libs.common.ledger.models import Chunk, Job
from libs.common.sql_files import statement
from services.api.dependencies import Dependencies, Wired
from services.api.idempotency import IdempotencyKeyHeader, keyed
from services.api.pagination import Order, Page, PageQuery, paginate
from services.api.responses import JOB_ACCEPTED, accepted, problems
from services.api.schemas import (
    HeaderChangesDocument,
    IsoDate,
    JobCreation,
    JobDocument,
    LoadPathDocument,
    TriggerRequest,
)
from services.api.security.caller import Caller, Reader, Submitter
from services.api.submission import submit_job

router = APIRouter(tags=["jobs"])

_NEWEST_FIRST = Order[Job](Job.id, UUID, is_descending=True)


MOST_SEARCHED = 10_000
_LEAST_ID = UUID(int=0)


class JobQuery(PageQuery):
    """Which jobs to list."""

    dataset: str | None = Field(None, pattern=DATASET_NAME_PATTERN)
    state: JobState | None = None
    data_date: IsoDate | None = None
    trigger: Trigger | None = None
    replay_of: UUID | None = Field(None, description="The replays of this job.")
    text: str | None = Field(
        None,
        max_length=200,
        pattern=r"^[^\x00]*$",
        description="Stands in the source or the error of the job, or is its id; only the newest "
        f"{MOST_SEARCHED:,} jobs that the other filters leave are looked through.",
    )


@router.post(
    "/trigger-job",
    status_code=202,
    operation_id="triggerJob",
    summary="Start the daily job",
    responses=JOB_ACCEPTED,
)
def trigger_job(
    dependencies: Wired,
    caller: Submitter,
    response: Response,
    body: Annotated[TriggerRequest | None, Body()] = None,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JobDocument:
    """Load the daily dataset, or what the optional body says."""
    request = body or TriggerRequest()
    return _submit(dependencies, caller, response, "POST /trigger-job", request, idempotency_key)


@router.post(
    "/v1/jobs",
    status_code=202,
    operation_id="createJob",
    summary="Make a job",
    responses=JOB_ACCEPTED,
)
def create_job(
    dependencies: Wired,
    caller: Submitter,
    response: Response,
    body: JobCreation,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JobDocument:
    """Load a source into a dataset; what is left out comes from the dataset."""
    return _submit(dependencies, caller, response, "POST /v1/jobs", body, idempotency_key)


@router.get("/v1/jobs", operation_id="listJobs", summary="List jobs", responses=problems(422, 503))
def list_jobs(
    dependencies: Wired, caller: Reader, asked: Annotated[JobQuery, Query()]
) -> Page[JobDocument]:
    """List the jobs of the key's owner, with the scope `admin` all jobs, the newest first."""
    filters = asked.model_dump(exclude={"page_size", "page_token"}, exclude_none=True)
    scope = ("jobs", *sorted(filters.items()))
    query = select_jobs(caller, asked)
    with dependencies.sessions() as session:
        return paginate(session, query, _NEWEST_FIRST, asked, scope, JobDocument.of)


def select_jobs(caller: Caller, asked: JobQuery) -> Select[Job]:
    """Return the query of the jobs that a caller sees and asks for, in no order."""
    excluded = {"page_size", "page_token", "text"}
    wanted = asked.model_dump(exclude=excluded, exclude_none=True)
    query = select(Job).filter_by(**wanted).where(caller.jobs())
    return query if asked.text is None else _with_text(query, asked.text)


def _with_text(query: Select[Job], searched: str) -> Select[Job]:
    try:
        return query.where(Job.id == UUID(searched))
    except ValueError:
        pass
    ids = query.with_only_columns(Job.id).order_by(Job.id.desc())
    first = ids.offset(MOST_SEARCHED - 1).limit(1).scalar_subquery()
    is_new = Job.id >= func.coalesce(first, _LEAST_ID)
    texts = (Job.source, Job.error_code, Job.error_message, Job.dataset)
    has_text = or_(*(column.icontains(searched, autoescape=True) for column in texts))
    return query.where(is_new, has_text)


@router.get(
    "/v1/jobs/{job_id}",
    operation_id="getJob",
    summary="Show a job",
    responses=problems(404, 422, 503),
)
def get_job(dependencies: Wired, caller: Reader, job_id: UUID) -> JobDocument:
    """Show a job as it is now; the counts of a running one grow while it loads."""
    with dependencies.sessions() as session:
        return describe_job(session, caller.find_job(session, job_id))


def describe_job(session: Session, job: Job) -> JobDocument:
    """Show a job, a running one with the counts that it has reached by now."""
    update: dict[str, Any] = {"load_paths": _load_paths(session, job.id)}
    if job.header_changes is not None:
        update["header_changes"] = HeaderChangesDocument(**job.header_changes)
    if job.state is JobState.RUNNING:
        update |= _progress(session, job.id)
    return JobDocument.of(job).model_copy(update=update)


def _submit(
    dependencies: Dependencies,
    caller: Caller,
    response: Response,
    route: str,
    body: TriggerRequest,
    idempotency_key: str | None,
) -> JobDocument:
    keyed_request = keyed(idempotency_key, route, body.model_dump_json())
    dataset = body.dataset or dependencies.settings.daily_dataset
    caller.require(dataset)
    request = JobRequest(
        dataset=dataset,
        trigger=Trigger.API,
        source=body.source,
        data_date=body.data_date,
        force=body.force,
        dry_run=isinstance(body, JobCreation) and body.dry_run,
        owner=caller.owner,
    )
    return accepted(submit_job(dependencies, caller.actor, request, keyed_request), response)


def _progress(session: Session, job_id: UUID) -> dict[str, Any]:
    """Return the counts of a running job and what holds it up, from its chunks and their leases."""
    asked = {"job_id": job_id}
    row = session.execute(statement(__package__, "progress"), asked).mappings().one()
    counts = {name: int(value) for name, value in row.items() if name != "problem"}
    return {**counts, "problem": row["problem"]}


def _load_paths(session: Session, job_id: UUID) -> list[LoadPathDocument] | None:
    """Return the paths that the chunks of a job took, most chunks first; at most ten, since reasons hold counts."""
    chunks = func.count().label("chunks")
    query = (
        select(Chunk.load_path, Chunk.load_path_reason, chunks)
        .where(Chunk.job_id == job_id, Chunk.load_path.is_not(None))
        .group_by(Chunk.load_path, Chunk.load_path_reason)
        .order_by(chunks.desc(), Chunk.load_path, Chunk.load_path_reason)
        .limit(10)
    )
    shown = [
        LoadPathDocument(path=LoadPath(str(path)), reason=reason, chunks=count)
        for path, reason, count in session.execute(query)
    ]
    return shown or None
