"""Take a file as the body of a request and make the job that loads it."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from libs.common.errors import BadInput
from libs.common.lifecycle import JobRequest, find_dataset
from libs.common.states import Trigger
from services.api.answers import JOB_ACCEPTED, accepted, problems
from services.api.datasets import DatasetName
from services.api.documents import IsoDate, JobDocument
from services.api.idempotency import IdempotencyKeyHeader, KeyedRequest, keyed
from services.api.problems import ProblemError
from services.api.submission import OutcomeUnknown, Submission, submit_job
from services.api.upload_area import IncomingUpload, StoredUpload, safe_filename, too_large
from services.api.wiring import Wired, Wiring

router = APIRouter(tags=["datasets"])


class UploadQuery(BaseModel):
    """What is said about a file that is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_date: IsoDate | None = Field(
        None, description="The day the data is of; default: today in the dataset's time zone."
    )
    force: bool = Field(default=False, description="Load content that was loaded before once more.")
    filename: str | None = Field(
        None, max_length=1024, description="What to call the file; unsafe characters become '_'."
    )


_BLOCK_BYTES = 1 << 20
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
    responses={**JOB_ACCEPTED, **problems(507)},
    openapi_extra=_BODY,
)
async def upload_file(
    request: Request,
    response: Response,
    wiring: Wired,
    name: DatasetName,
    asked: Annotated[UploadQuery, Query()],
    idempotency_key: IdempotencyKeyHeader = None,
) -> JobDocument:
    """Store the body in the upload area, whole or not at all, then make a job that loads it."""
    keyed(idempotency_key, "")  # a bad key is refused before the file is taken
    _refuse_form(request)
    await run_in_threadpool(_require_dataset, wiring, name)
    _refuse_declared_size(request, wiring.settings.max_upload_bytes)
    stored = await _store(request, wiring, safe_filename(asked.filename))
    job_request = JobRequest(
        dataset=name,
        trigger=Trigger.UPLOAD,
        source=str(stored.path),
        data_date=asked.data_date,
        force=asked.force,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )
    keyed_request = keyed(
        idempotency_key,
        f"POST /v1/datasets/{name}/uploads",
        stored.digest,
        f"{asked.data_date} {asked.force} {stored.path.name}",
    )
    submission = await run_in_threadpool(_submit, wiring, stored, job_request, keyed_request)
    return accepted(submission, response)


def _require_dataset(wiring: Wiring, name: str) -> None:
    with wiring.sessions() as session:
        find_dataset(session, name)


def _refuse_form(request: Request) -> None:
    """Refuse a form: its boundaries would be taken for records."""
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise ProblemError(
            415,
            "unsupported-media-type",
            "the body must be the file's bytes alone, not a form; "
            "send it as it is, for example with curl --data-binary @items.csv",
        )


def _refuse_declared_size(request: Request, max_bytes: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large(max_bytes)


async def _store(request: Request, wiring: Wiring, filename: str) -> StoredUpload:
    """Write the body to the upload area; whatever breaks it off leaves nothing behind."""
    settings = wiring.settings
    upload = await run_in_threadpool(
        IncomingUpload.begin, settings.upload_dir, filename, settings.max_upload_bytes
    )
    try:
        async for block in _blocks(request):
            await run_in_threadpool(upload.write, block)
        stored = await run_in_threadpool(upload.keep)
        if stored.size:
            return stored
    except BaseException:
        upload.discard()
        raise
    stored.discard()
    raise BadInput("source-empty", "the body is empty; send the file's bytes as the body")


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """Gather the pieces that the network delivers into blocks worth a write."""
    gathered = bytearray()
    async for piece in request.stream():
        gathered += piece
        if len(gathered) >= _BLOCK_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _submit(
    wiring: Wiring, stored: StoredUpload, request: JobRequest, keyed_request: KeyedRequest | None
) -> Submission:
    """Make the job; a file that no job will load is removed, one that a job may load is kept."""
    try:
        submission = submit_job(wiring, request, keyed_request)
    except OutcomeUnknown:
        raise
    except BaseException:
        stored.discard()
        raise
    if submission.is_replay:
        stored.discard()
    return submission
