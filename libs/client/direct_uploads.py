"""Send files straight to the bucket of uploads, by the URL that the api signs for each.

    POST /v1/uploads ──► url ◄──PUT, block by block── file;  then POST /v1/uploads/{id}/job

The URL is a secret for as long as it lasts: it stands in no error and no log line.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import Field

from libs.client.answers import Answers
from libs.client.errors import StoreRefused
from libs.client.file_body import blocks_of
from libs.client.models import Document, Job
from libs.client.transport import FIRST_PAUSE, LONGEST_PAUSE, Request, is_this_machine

_CLAIM_TIMEOUT = 600.0
"""The api answers a claim once the store has copied the file."""
_STORE_TIMEOUT = 300.0
"""A store says nothing until it has all of a file and has put it down."""

OnProgress = Callable[[int], object]


class AnnouncedUpload(Document):
    """Where to send a file; whoever has the URL can, until it expires."""

    upload_id: str
    method: str
    url: str = Field(repr=False)
    headers: dict[str, str]


class DirectUploads:
    """Puts files where the api says."""

    def __init__(self, answers: Answers, timeout: float, retry_seconds: float) -> None:
        """Ask by what the client asks by; files are sent again for `retry_seconds` at most."""
        self._answers = answers
        self._timeout = httpx.Timeout(timeout, read=max(timeout, _STORE_TIMEOUT))
        self._retry_seconds = retry_seconds

    def load(
        self,
        dataset: str,
        path: Path,
        asked: Mapping[str, Any],
        headers: Mapping[str, str],
        on_progress: OnProgress | None,
    ) -> Job:
        """Send a file to the bucket and return the job that loads it as `asked`."""
        request = Request(
            "POST",
            f"/v1/uploads/{self._send(dataset, path, on_progress)}/job",
            json=dict(asked),
            headers=headers,
            timeout=_CLAIM_TIMEOUT,
        )
        return self._answers.read(Job, request)

    def _send(self, dataset: str, path: Path, on_progress: OnProgress | None) -> str:
        """Announce a file, send it, and return the upload's id."""
        size = path.stat().st_size
        body = {"dataset": dataset, "filename": path.name, "bytes": size}
        announced = self._answers.read(AnnouncedUpload, Request("POST", "/v1/uploads", json=body))
        headers = {**announced.headers, "Content-Length": str(size)}
        with _unlogged(announced.url), self._store_of(announced.url) as store:
            self._put(
                lambda: store.request(
                    announced.method,
                    announced.url,
                    headers=headers,
                    content=blocks_of(path, on_progress),
                )
            )
        return announced.upload_id

    def _store_of(self, url: str) -> httpx.Client:
        return httpx.Client(timeout=self._timeout, trust_env=not is_this_machine(url))

    def _put(self, attempt: Callable[[], httpx.Response]) -> None:
        """Send a file until the store takes it, as long as a fault may pass."""
        end, pause = time.monotonic() + self._retry_seconds, FIRST_PAUSE
        while (reason := _refusal(attempt)) is not None:
            if not reason.may_pass or time.monotonic() + pause > end:
                raise reason
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


class _Refused(StoreRefused):
    def __init__(self, reason: str, *, may_pass: bool) -> None:
        super().__init__(
            f"the store did not take the file ({reason}); send it again, or without `direct`"
        )
        self.may_pass = may_pass


def _refusal(attempt: Callable[[], httpx.Response]) -> _Refused | None:
    """Return why the store did not take a file, None if it did; what it says may repeat the URL."""
    try:
        response = attempt()
    except httpx.TransportError as exc:
        return _Refused(str(exc) or type(exc).__name__, may_pass=True)
    if response.is_success:
        return None
    status = response.status_code
    return _Refused(f"it answered {status}", may_pass=status in {408, 429} or status >= 500)


@contextmanager
def _unlogged(secret: str) -> Iterator[None]:
    """Keep a URL out of what httpx logs of its requests."""
    logger = logging.getLogger("httpx")

    def is_harmless(record: logging.LogRecord) -> bool:
        return secret not in record.getMessage()

    logger.addFilter(is_harmless)
    try:
        yield
    finally:
        logger.removeFilter(is_harmless)
