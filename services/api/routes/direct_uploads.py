"""Let a client send a file to the store of uploads by itself, then make the job that loads it: ``/v1/uploads``."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, Field, StrictBool, StrictInt
from starlette.concurrency import run_in_threadpool

from libs.common.datasets.definition import DATASET_NAME_PATTERN
from libs.common.enums import Trigger
from libs.common.ledger.jobs import JobRequest
from libs.common.strict_model import StrictModel
from services.api.dependencies import Wired
from services.api.idempotency import IdempotencyKeyHeader, keyed
from services.api.responses import JOB_ACCEPTED, accepted, problems
from services.api.schemas import DRY_RUN, FORCE, IsoDate, JobDocument
from services.api.security.caller import Submitter
from services.api.uploads.direct_uploads import announce, claim

router = APIRouter(tags=["datasets"])


class UploadAnnouncement(StrictModel):
    """The file that is going to be sent."""

    dataset: str = Field(pattern=DATASET_NAME_PATTERN, description="A dataset that exists.")
    filename: str | None = Field(
        None, max_length=1024, description="What to call the file; unsafe characters become '_'."
    )
    bytes: StrictInt = Field(ge=1, description="Its size; what comes must have it.")


class AnnouncedUploadDocument(BaseModel):
    """Where the file goes: a request to the store that needs no key of its own."""

    upload_id: UUID
    method: str = Field(description="PUT.")
    url: str = Field(description="Keep it secret until it expires: whoever has it can send a file.")
    headers: dict[str, str] = Field(description="Headers to send with the bytes.")
    expires_at: datetime = Field(description="By then the store must have got the request.")


class UploadJobCreation(StrictModel):
    """How to load the file."""

    data_date: IsoDate | None = Field(
        None, description="The day the data is of; default: today in the dataset's time zone."
    )
    force: StrictBool = Field(default=False, description=FORCE)
    dry_run: StrictBool = Field(default=False, description=DRY_RUN)


@router.post(
    "/v1/uploads",
    status_code=201,
    operation_id="announceUpload",
    summary="Get a URL to send a file to the store",
    responses=problems(400, 404, 409, 413, 415, 422, 503),
)
def announce_upload(
    dependencies: Wired, caller: Submitter, response: Response, body: UploadAnnouncement
) -> AnnouncedUploadDocument:
    """Give a place in the bucket of uploads (`ADSP_UPLOAD_STORE`) for a file, and a presigned URL to put it there.

    Then make its job with `POST /v1/uploads/{upload_id}/job`. The file counts for the owner's quota from now on; one
    of which no job is made is removed after a day.
    """
    caller.require(body.dataset)
    made = announce(dependencies, caller, body.dataset, body.filename, body.bytes)
    response.headers["Cache-Control"] = "no-store"
    return AnnouncedUploadDocument(
        upload_id=made.upload_id,
        method="PUT",
        url=made.put.url,
        headers=dict(made.put.headers),
        expires_at=made.expires_at,
    )


@router.post(
    "/v1/uploads/{upload_id}/job",
    status_code=202,
    operation_id="loadUpload",
    summary="Load a file that was sent to the store",
    responses={**JOB_ACCEPTED, **problems(409)},
)
async def load_upload(
    dependencies: Wired,
    caller: Submitter,
    response: Response,
    upload_id: UUID,
    body: Annotated[UploadJobCreation | None, Body()] = None,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JobDocument:
    """Make a job of an announced upload, once, if all of the file is there."""
    asked = body or UploadJobCreation()
    keyed_request = keyed(
        idempotency_key, f"POST /v1/uploads/{upload_id}/job", asked.model_dump_json()
    )

    def request_for(dataset: str, source: str) -> JobRequest:
        return JobRequest(
            dataset=dataset,
            trigger=Trigger.UPLOAD,
            source=source,
            data_date=asked.data_date,
            force=asked.force,
            dry_run=asked.dry_run,
            owner=caller.owner,
        )

    with dependencies.upload_slots.taken(caller.owner):
        submission = await run_in_threadpool(
            claim, dependencies, caller, upload_id, request_for, keyed_request
        )
    return accepted(submission, response)
