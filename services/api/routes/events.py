"""Tell what happens as it happens: ``GET /v1/events`` and ``GET /v1/jobs/{id}/events``, as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.api.dependencies import Dependencies, Wired
from services.api.live.stream import Stream
from services.api.responses import Responses, problems
from services.api.security.caller import Caller, Reader

router = APIRouter(tags=["events"])

MEDIA_TYPE = "text/event-stream"

LastEventId = Annotated[
    UUID | None,
    Header(
        alias="Last-Event-ID",
        description="The `id` of the last event that was read: what the ledger has written since comes first, as long"
        " as it is kept (`ADSP_EVENT_RETENTION_DAYS`), at most 1,000.",
    ),
]
_ANSWERS: Responses = {
    200: {
        "description": "A stream of `job` (how far a job is: `id`, `dataset`, `state`, counts, bytes), `ledger` (an "
        "event as it is published, with its id) and, of one job, `end`. It ends after ten minutes: come again.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
}


class _EventStream(StreamingResponse):
    media_type = MEDIA_TYPE


@router.get(
    "/v1/events",
    operation_id="streamEvents",
    summary="Follow the jobs that one sees",
    response_class=_EventStream,
    responses={**_ANSWERS, **problems(422, 503)},
)
async def stream_events(
    dependencies: Wired, caller: Reader, last_event_id: LastEventId = None
) -> StreamingResponse:
    """Tell how far the jobs under way are, and what the ledger's events say."""
    return await _respond(dependencies, caller, None, last_event_id)


@router.get(
    "/v1/jobs/{job_id}/events",
    operation_id="streamJobEvents",
    summary="Follow a job",
    response_class=_EventStream,
    responses={**_ANSWERS, **problems(404, 422, 503)},
)
async def stream_job_events(
    dependencies: Wired, caller: Reader, job_id: UUID, last_event_id: LastEventId = None
) -> StreamingResponse:
    """Tell how far a job is, until it has ended."""
    await run_in_threadpool(_require_job, dependencies, caller, job_id)
    return await _respond(dependencies, caller, job_id, last_event_id)


async def _respond(
    dependencies: Dependencies, caller: Caller, job_id: UUID | None, last: UUID | None
) -> StreamingResponse:
    frames = Stream(dependencies.feed, caller, job_id).frames(last)
    first = await anext(frames)  # too many streams are refused before the answer begins
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return _EventStream(_chain(first, frames), headers=headers)


async def _chain(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for frame in rest:
        yield frame


def _require_job(dependencies: Dependencies, caller: Caller, job_id: UUID) -> None:
    with dependencies.sessions() as session:
        caller.find_job(session, job_id)
