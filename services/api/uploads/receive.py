"""Take the body of a request as a file in the upload area, and make the job that loads it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from libs.common.errors import BadInput
from libs.common.ledger.audit import Actor
from libs.common.ledger.jobs import JobRequest
from services.api.dependencies import Dependencies
from services.api.errors.problems import ProblemError
from services.api.idempotency import KeyedRequest
from services.api.media_type import media_type
from services.api.submission import FindEarlier, OutcomeUnknown, Submission, submit_job
from services.api.uploads.shared_uploads import discard, share
from services.api.uploads.upload_area import IncomingUpload, StoredUpload, too_large

_BLOCK_BYTES = 1 << 20


def refuse_form(request: Request) -> None:
    """Refuse a form: its boundaries would be taken for records."""
    if media_type(request).startswith("multipart/"):
        raise ProblemError(
            415,
            "unsupported-media-type",
            "the body must be the file's bytes alone, not a form; "
            "send it as it is, for example with curl --data-binary @items.csv",
        )


def refuse_declared_size(request: Request, max_bytes: int) -> None:
    """Refuse a body whose declared length is beyond the cap, before it is sent."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large(max_bytes)


async def receive_file(
    request: Request, dependencies: Dependencies, filename: str, owner: str | None
) -> StoredUpload | None:
    """Write the body to the upload area, or return None when it is empty; a part of it is never left behind."""
    with dependencies.upload_slots.taken(owner):
        return await _receive(request, dependencies, filename)


async def _receive(
    request: Request, dependencies: Dependencies, filename: str
) -> StoredUpload | None:
    settings = dependencies.settings
    minimum_rate = _MinimumRate(settings.upload_idle_seconds, settings.upload_min_rate)
    upload = await run_in_threadpool(
        IncomingUpload.begin, settings.upload_dir, filename, settings.max_upload_bytes
    )
    try:
        async for block in _blocks(request, minimum_rate):
            await run_in_threadpool(upload.write, block)
        stored = await run_in_threadpool(upload.keep)
        if stored.size:
            return stored
    except BaseException:
        upload.discard()
        raise
    stored.discard()
    return None


def empty_body() -> BadInput:
    """Make the error for a body without a byte."""
    return BadInput("source-empty", "the body is empty; send the file's bytes as the body")


class _MinimumRate:
    """The time that a client still has for its next bytes; what the disk takes does not count."""

    def __init__(self, seconds: float, min_rate: int) -> None:
        """Give a client `seconds` for each so many bytes, again and again."""
        self._seconds = seconds
        self._least = max(1, int(seconds * min_rate))
        self._left, self._came = seconds, 0

    async def next_piece(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        """Return what comes next, None at the end; who sends nothing, or drips, must not hold a slot."""
        start = time.monotonic()
        try:
            async with asyncio.timeout(self._left):
                piece = await anext(pieces, None)
        except TimeoutError as exc:
            raise ProblemError(
                408,
                "upload-stalled",
                f"fewer than {self._least} bytes came in {self._seconds:g} s; "
                "send the file again, faster and without pauses",
            ) from exc
        self._left -= time.monotonic() - start
        self._came += len(piece or b"")
        if self._came >= self._least:
            self._left, self._came = self._seconds, 0
        return piece


async def _blocks(request: Request, minimum_rate: _MinimumRate) -> AsyncIterator[bytes]:
    """Gather the pieces that the network delivers into blocks worth a write."""
    gathered = bytearray()
    pieces = request.stream()
    while (piece := await minimum_rate.next_piece(pieces)) is not None:
        gathered += piece
        if len(gathered) >= _BLOCK_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def submit_stored(
    dependencies: Dependencies,
    actor: Actor,
    stored: StoredUpload,
    request: JobRequest,
    keyed_request: KeyedRequest | None,
    find_earlier: FindEarlier | None = None,
) -> Submission:
    """Make the job; a file that no job will load is removed, one that a job may load is kept."""
    source = str(stored.path)
    try:
        source = share(dependencies.settings, stored)
        request = replace(request, source=source)
        submission = submit_job(
            dependencies, actor, request, keyed_request, stored.size, find_earlier
        )
    except OutcomeUnknown:
        raise
    except BaseException:
        discard(dependencies.settings, source, stored)
        raise
    if submission.job.source != source:
        # The job was made before, or loads an equal file that is there already.
        discard(dependencies.settings, source, stored)
    return submission
