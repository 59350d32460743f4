"""Talk to the api of a running stack: what the commands and the end-to-end tests use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from libs.common.enums import END_STATES
from libs.common.errors import AdspError

KEY_VARIABLE = "ADSP_API_KEY"
READ_BLOCK = 1 << 20
REPLAY_TIMEOUT = 600.0
"""The api answers a replay when all failed rows are written."""


class RefusedRequest(AdspError):
    """The api answered with a problem: its status, code and message."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


class ApiUnreachable(AdspError):
    """The api does not answer."""


class Client:
    """A small client of the REST API; close it or use it as a context manager."""

    def __init__(self, base_url: str, timeout: float = 30.0, key: str | None = None) -> None:
        """Prepare the client; without a key it sends that of the environment, if there is one."""
        held = key or os.environ.get(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {held}"} if held else {}
        self._http = httpx.Client(
            base_url=base_url, timeout=timeout, headers=headers, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def trigger(self, **request: Any) -> dict[str, Any]:
        """Start the daily job, or what `request` says, and return the job."""
        return self._json(self._http.post("/trigger-job", json=request))

    def submit(self, *, idempotency_key: str | None = None, **request: Any) -> dict[str, Any]:
        """Make a job: `dataset`, `source`, `data_date`, `force`."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._json(self._http.post("/v1/jobs", json=request, headers=headers))

    def upload(self, dataset: str, path: Path, *, force: bool = False) -> dict[str, Any]:
        """Send a file to a dataset and return the job."""
        return self._json(
            self._http.post(
                f"/v1/datasets/{dataset}/uploads",
                params={"filename": path.name, "force": str(force).lower()},
                content=_blocks(path),
            )
        )

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Ask for a job to be cancelled and return it."""
        return self._json(self._http.post(f"/v1/jobs/{job_id}/cancel"))

    def replay(
        self, job_id: str, path: Path | None = None, *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Load a job's failed rows again, as they are or from a corrected file, and return the new job."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        content = _blocks(path) if path else None
        return self._json(
            self._http.post(
                f"/v1/jobs/{job_id}/replay",
                content=content,
                headers=headers,
                timeout=REPLAY_TIMEOUT,
            )
        )

    def put_dataset(self, name: str, definition: dict[str, Any]) -> dict[str, Any]:
        """Make or change a dataset."""
        return self._json(self._http.put(f"/v1/datasets/{name}", json=definition))

    def delete_dataset(self, name: str) -> None:
        """Delete a dataset; its table and jobs stay."""
        answer = self._http.delete(f"/v1/datasets/{name}")
        if answer.is_error:
            self._json(answer)

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job as it is now."""
        return self._json(self._http.get(f"/v1/jobs/{job_id}"))

    def failed_rows(self, job_id: str, page_size: int = 500) -> Iterator[dict[str, Any]]:
        """Yield all failed rows of a job, page by page."""
        parameters: dict[str, str | int] = {"page_size": page_size}
        while True:
            page = self._json(self._http.get(f"/v1/jobs/{job_id}/failed-rows", params=parameters))
            yield from page["items"]
            if page["next_page_token"] is None:
                return
            parameters["page_token"] = page["next_page_token"]

    def post(self, path: str, body: object, headers: dict[str, str]) -> httpx.Response:
        """Return the bare answer to a POST of JSON."""
        return self._http.post(path, json=body, headers=headers)

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Return the bare answer to a GET."""
        return self._http.get(path, params=parameters)

    @staticmethod
    def _json(response: httpx.Response) -> dict[str, Any]:
        if response.is_error:
            problem = response.json()
            raise RefusedRequest(
                response.status_code, problem.get("code", "unknown"), problem.get("detail", "")
            )
        body: dict[str, Any] = response.json()
        return body


@contextmanager
def connect(url: str) -> Iterator[Client]:
    """Open a client; raise `ApiUnreachable`, which names a command that helps, where the api does not answer."""
    try:
        with Client(url) as client:
            yield client
    except httpx.TransportError as exc:
        raise ApiUnreachable(f"the api at {url} does not answer ({exc}); see ./dev status") from exc


def is_over(job: dict[str, Any]) -> bool:
    """Return whether a job is in an end state."""
    return job["state"] in END_STATES


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(READ_BLOCK):
            yield block
