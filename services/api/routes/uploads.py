"""Take a file as the body of a request and make the job that loads it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from libs.common.enums import Trigger
from libs.common.ledger.datasets import find_dataset
from libs.common.ledger.jobs import JobRequest
from libs.common.strict_model import StrictModel
from services.api.dependencies import Dependencies, Wired
from services.api.idempotency import IdempotencyKeyHeader, keyed
from services.api.limits.body_limit import TAKES_FILE
from services.api.limits.quotas import require_room
from services.api.responses import JOB_ACCEPTED, accepted, problems
from services.api.routes.datasets import DatasetName
from services.api.schemas import DRY_RUN, FORCE, IsoDate, JobDocument
from services.api.security.caller import Submitter
from services.api.uploads.receive import (
    empty_body,
    receive_file,
    refuse_declared_size,
    refuse_form,
    submit_stored,
)
from services.api.uploads.upload_area import safe_filename

router = APIRouter(tags=["datasets"])


class UploadQuery(StrictModel):
    """What is said about a file that is sent."""

    data_date: IsoDate | None = Field(
        None, description="The day the data is of; default: today in the dataset's time zone."
    )
    force: bool = Field(default=False, description=FORCE)
    dry_run: bool = Field(default=False, description=DRY_RUN)
    filename: str | None = Field(
        None, max_length=1024, description="What to call the file; unsafe characters become '_'."
    )


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The bytes of the file, plain or compressed.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "/v1/datasets/{name}/uploads",
    status_code=202,
    operation_id="uploadFile",
    summary="Send a file and load it",
    responses={**JOB_ACCEPTED, **problems(408, 507)},
    dependencies=[TAKES_FILE],
    openapi_extra=_BODY,
)
async def upload_file(
    request: Request,
    response: Response,
    dependencies: Wired,
    caller: Submitter,
    name: DatasetName,
    asked: Annotated[UploadQuery, Query()],
    idempotency_key: IdempotencyKeyHeader = None,
) -> JobDocument:
    """Store the body in the upload area, whole or not at all, then make a job that loads it."""
    caller.require(name)
    keyed(idempotency_key, "")  # a bad key is refused before the file is taken
    refuse_form(request)
    # One that was sent before is answered as then, also where it has taken the last room.
    owner = caller.owner if idempotency_key is None else None
    await run_in_threadpool(_require_welcome, dependencies, name, owner)
    refuse_declared_size(request, dependencies.settings.max_upload_bytes)
    stored = await receive_file(request, dependencies, safe_filename(asked.filename), caller.owner)
    if stored is None:
        raise empty_body()
    job_request = JobRequest(
        dataset=name,
        trigger=Trigger.UPLOAD,
        source=str(stored.path),
        data_date=asked.data_date,
        force=asked.force,
        dry_run=asked.dry_run,
        owner=caller.owner,
    )
    keyed_request = keyed(
        idempotency_key,
        f"POST /v1/datasets/{name}/uploads",
        stored.digest,
        f"{asked.data_date} {asked.force} {stored.path.name}{' dry' if asked.dry_run else ''}",
    )
    submission = await run_in_threadpool(
        submit_stored, dependencies, caller.actor, stored, job_request, keyed_request
    )
    return accepted(submission, response)


def _require_welcome(dependencies: Dependencies, name: str, owner: str | None) -> None:
    """Refuse a file of which no job could be made, before it is sent."""
    with dependencies.sessions() as session:
        find_dataset(session, name)
        require_room(session, dependencies.settings, owner)
