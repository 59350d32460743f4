"""Replay the failed rows of a job: ``POST /v1/jobs/{id}/replay``, as they are or from a file that corrects them.

    body ──────────────────────────┐
    no body: failed rows, header ──┴──► upload area, whole or not at all ──► job with `replay_of`

The job is one like any other: planned, loaded and fingerprinted, so that the same replay twice loads once.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from libs.common.strict_model import StrictModel
from services.api.dependencies import Wired
from services.api.errors.problems import ProblemError
from services.api.idempotency import IdempotencyKeyHeader, keyed
from services.api.limits.body_limit import TAKES_FILE
from services.api.media_type import media_type
from services.api.replays import ReplayOptions, find_with_room, store_failed_rows, submit_replay
from services.api.responses import JOB_ACCEPTED, accepted, problems
from services.api.schemas import JobDocument
from services.api.security.caller import Submitter
from services.api.uploads.receive import (
    empty_body,
    receive_file,
    refuse_declared_size,
    refuse_form,
)

router = APIRouter(tags=["failed rows"])


class ReplayQuery(StrictModel):
    """How to replay."""

    force: bool = Field(default=False, description="Load a replay that was loaded once more.")


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "description": "The corrected rows as a file of the dataset, with its header, plain or compressed; "
        "without a body the failed rows are replayed as they are.",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in ("text/csv", "application/octet-stream")
        },
    }
}


@router.post(
    "/v1/jobs/{job_id}/replay",
    status_code=202,
    operation_id="replayJob",
    summary="Load the failed rows of a job again",
    responses={**JOB_ACCEPTED, **problems(408, 409, 507)},
    dependencies=[TAKES_FILE],
    openapi_extra=_BODY,
)
async def replay_job(
    request: Request,
    response: Response,
    dependencies: Wired,
    caller: Submitter,
    job_id: UUID,
    asked: Annotated[ReplayQuery, Query()],
    idempotency_key: IdempotencyKeyHeader = None,
) -> JobDocument:
    """Make a job of the failed rows, as they are or corrected; into a `replace` dataset they are appended."""
    keyed(idempotency_key, "")  # a bad key is refused before the file is taken
    _refuse_other_than_file(request)
    refuse_declared_size(request, dependencies.settings.max_upload_bytes)
    replayed = await find_with_room(dependencies, caller, job_id, idempotency_key)
    corrected = await receive_file(request, dependencies, f"corrected-{job_id}.csv", caller.owner)
    if corrected is None and media_type(request) == "text/csv":
        raise empty_body()
    stored = corrected or await store_failed_rows(dependencies, caller, replayed)
    submission = await run_in_threadpool(
        submit_replay,
        dependencies,
        caller,
        replayed,
        stored,
        ReplayOptions(is_corrected=corrected is not None, force=asked.force),
        idempotency_key,
    )
    return accepted(submission, response)


def _refuse_other_than_file(request: Request) -> None:
    """Refuse a form and JSON: neither is a file of a dataset."""
    refuse_form(request)
    if media_type(request) == "application/json" and request.headers.get("content-length") != "0":
        raise ProblemError(
            415,
            "unsupported-media-type",
            "the body must be a file with the corrected rows, sent as text/csv; "
            "leave it out to replay the failed rows as they are",
        )
