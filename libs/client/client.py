"""Give the REST API to Python programs: what the command `adsp`, the tools and the tests use.

    with Client("https://adsp.example", key) as client:
        job = client.wait(client.load("items", path), seconds=600)
        for row in client.failed_rows(job.id): ...

Lists are iterators that fetch page by page. Errors are drawn in `errors`.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, Self, Unpack

import httpx

from libs.client.answers import PAGE_SIZE, Answers
from libs.client.corrections import Corrections
from libs.client.direct_uploads import DirectUploads
from libs.client.errors import JobTooSlow
from libs.client.file_body import blocks_of, size_of
from libs.client.job_log import JobLog, LogLine
from libs.client.keys import ApiKeys
from libs.client.models import Backfill, BackfillDay, Dataset, FailedRow, Job, JobFile, RowFilters
from libs.client.new_tables import NewTables
from libs.client.transport import Request, Transport

KEY_VARIABLE, TIMEOUT = "ADSP_API_KEY", 30.0
REPLAY_TIMEOUT = 600.0
"""The api answers a replay when all failed rows are written."""
BACKFILL_TIMEOUT = 300.0
"""It answers when the last day has its job."""
RETRY_SECONDS = 30.0
FIRST_POLL, LONGEST_POLL = 0.1, 2.0
"""Seconds between two looks at a job that runs: few at first, since most jobs are short."""


class Client:
    """A client of the REST API; close it or use it as a context manager."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Prepare the client; without a key it sends that of `ADSP_API_KEY`, if there is one.

        `timeout`: seconds that one answer may take; `retry_seconds`: how long safe requests are repeated.
        """
        held = key or os.environ.get(KEY_VARIABLE)
        self._transport = Transport(url, held, timeout, retry_seconds)
        self._answers = Answers(self._transport)
        self.new_tables = NewTables(self._answers)
        self._direct_uploads = DirectUploads(self._answers, timeout, retry_seconds)
        self.api_keys = ApiKeys(self._answers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    # Making jobs. Each gets an idempotency key, so that a repetition makes no second one.

    def load(
        self,
        dataset: str,
        path: Path,
        *,
        data_date: date | str | None = None,
        force: bool = False,
        dry_run: bool = False,
        direct: bool = False,
        idempotency_key: str | None = None,
        on_progress: Callable[[int], object] | None = None,
    ) -> Job:
        """Send a file, block by block, and return the job that loads it; `on_progress` hears the bytes sent so far.

        `dry_run`: it is judged as a load is, and nothing of it stays in the table. `direct`: the bytes go to the bucket
        of uploads, not through the api; raises `StoreRefused` where the bucket does not take them.
        """
        if direct:
            asked = {"data_date": data_date and str(data_date), "force": force, "dry_run": dry_run}
            headers = _idempotent(idempotency_key)
            return self._direct_uploads.load(dataset, path, asked, headers, on_progress)
        request = Request(
            "POST",
            f"/v1/datasets/{dataset}/uploads",
            parameters={
                "filename": path.name,
                "data_date": data_date,
                "force": force,
                "dry_run": dry_run or None,
            },
            headers={**_idempotent(idempotency_key), **size_of(path)},
            content=lambda: blocks_of(path, on_progress),
        )
        return self._answers.read(Job, request)

    def submit(
        self,
        dataset: str,
        *,
        source: str | None = None,
        data_date: date | str | None = None,
        force: bool = False,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Job:
        """Make a job of a source that the loaders can reach, by default of the dataset's own.

        `dry_run`: it is judged as a load is, and nothing of it stays in the table.
        """
        body = {"dataset": dataset, "source": source, "data_date": data_date, "force": force}
        body |= {"dry_run": True} if dry_run else {}
        return self._post_job("/v1/jobs", body, idempotency_key)

    def trigger(self, dataset: str | None = None, *, force: bool = False) -> Job:
        """Start the daily job, or that of another dataset."""
        return self._post_job("/trigger-job", {"dataset": dataset, "force": force}, None)

    def replay(
        self,
        job_id: str,
        path: Path | None = None,
        *,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Job:
        """Load a job's failed rows again, as they are or from a corrected file, and return the new job."""
        request = Request(
            "POST",
            f"/v1/jobs/{job_id}/replay",
            parameters={"force": force} if force else {},
            headers=_idempotent(idempotency_key) | (size_of(path) if path else {}),
            content=(lambda: blocks_of(path)) if path else None,
            timeout=REPLAY_TIMEOUT,
        )
        return self._answers.read(Job, request)

    # Jobs that are there.

    def job(self, job_id: str) -> Job:
        """Return a job as it is now."""
        return self._answers.read(Job, Request("GET", f"/v1/jobs/{job_id}"))

    def jobs(self, **filters: Any) -> Iterator[Job]:
        """Yield jobs, the newest first; `dataset`, `state`, `data_date`, `trigger`, `replay_of` choose some."""
        return self._answers.list(Job, "/v1/jobs", filters)

    def files(self, job_id: str) -> Iterator[JobFile]:
        """Yield the files of a job."""
        return self._answers.list(JobFile, f"/v1/jobs/{job_id}/files", {})

    def job_log(self, job_id: str) -> list[LogLine]:
        """Return the newest log lines of a job, oldest first, as far as they are kept."""
        return self._answers.read(JobLog, Request("GET", f"/v1/jobs/{job_id}/log")).items

    def cancel(self, job_id: str) -> Job:
        """Ask for a job to be cancelled and return it."""
        return self._answers.read(Job, Request("POST", f"/v1/jobs/{job_id}/cancel"))

    def wait(
        self,
        job: Job,
        *,
        seconds: float,
        on_progress: Callable[[Job], object] | None = None,
    ) -> Job:
        """Return a job when it is over; raise `JobTooSlow` after `seconds`. `on_progress` hears each look at it."""
        give_up, pause = time.monotonic() + seconds, FIRST_POLL
        while not job.is_over:
            if time.monotonic() > give_up:
                raise JobTooSlow(f"job {job.id} is still {job.state} after {seconds:.0f} s")
            time.sleep(pause)
            pause = min(1.2 * pause, LONGEST_POLL)
            job = self.job(job.id)
            if on_progress:
                on_progress(job)
        return job

    # Failed rows.

    def failed_rows(
        self, job_id: str, *, page_size: int = PAGE_SIZE, **filters: Unpack[RowFilters]
    ) -> Iterator[FailedRow]:
        """Yield the failed rows of a job in the order of the file."""
        asked = {**filters, "page_size": page_size}
        return self._answers.list(FailedRow, f"/v1/jobs/{job_id}/failed-rows", asked)

    def export_failed_rows(
        self, job_id: str, file: BinaryIO, *, form: str = "csv", **filters: Unpack[RowFilters]
    ) -> int:
        """Write all failed rows to a file and return how many were left out because only their start is kept.

        `form`: ``csv`` has the reasons, ``source`` is a file like the one they came from, to correct and replay.
        """
        request = Request(
            "GET",
            f"/v1/jobs/{job_id}/failed-rows",
            parameters={"format": form, **filters},
        )
        headers = self._answers.save(request, file)
        return int(headers.get("ADSP-Rows-Left-Out", 0))

    def corrections(self, job_id: str) -> Corrections:
        """Return the draft of corrections of a job's failed rows."""
        return Corrections(self._answers, job_id)

    # Datasets.

    def dataset(self, name: str) -> Dataset:
        """Return a dataset."""
        return Dataset.of(self._answers.json(Request("GET", f"/v1/datasets/{name}")))

    def datasets(self) -> Iterator[Dataset]:
        """Yield the datasets by name."""
        for document in self._answers.items("/v1/datasets", {}):
            yield Dataset.of(document)

    def put_dataset(
        self, name: str, definition: Mapping[str, Any], *, dry_run: bool = False
    ) -> Dataset:
        """Make or change a dataset; with `dry_run`, return what it would be, or raise why it would be refused."""
        request = Request(
            "PUT",
            f"/v1/datasets/{name}",
            parameters={"dry_run": True} if dry_run else {},
            json=dict(definition),
        )
        return Dataset.of(self._answers.json(request))

    def pause_dataset(self, name: str) -> Dataset:
        """Have the schedule make no jobs until the dataset is resumed."""
        return Dataset.of(self._answers.json(Request("POST", f"/v1/datasets/{name}/pause")))

    def resume_dataset(self, name: str) -> Dataset:
        """Have the schedule make jobs again."""
        return Dataset.of(self._answers.json(Request("POST", f"/v1/datasets/{name}/resume")))

    def delete_dataset(self, name: str) -> None:
        """Delete a dataset; its table and jobs stay."""
        self._transport.send(Request("DELETE", f"/v1/datasets/{name}", is_repeatable=False))

    def backfill(
        self,
        name: str,
        first: date | str,
        last: date | str,
        *,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> list[BackfillDay]:
        """Make a job for each due day of a range, ends included; each day tells what became of it."""
        request = Request(
            "POST",
            f"/v1/datasets/{name}/backfill",
            json={"from": str(first), "to": str(last), "force": force},
            headers=_idempotent(idempotency_key),
            timeout=BACKFILL_TIMEOUT,
        )
        return self._answers.read(Backfill, request).items

    # What has no method of its own.

    def read(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Return what a GET of JSON shows."""
        return self._answers.json(Request("GET", path, parameters=parameters))

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Return the bare answer to a GET, a refusal too, of one attempt."""
        return self._transport.once(Request("GET", path, parameters=parameters))

    def post(self, path: str, body: object, headers: Mapping[str, str]) -> httpx.Response:
        """Return the bare answer to a POST of JSON, a refusal too, of one attempt."""
        return self._transport.once(Request("POST", path, json=body, headers=headers))

    def _post_job(self, path: str, body: Mapping[str, Any], idempotency_key: str | None) -> Job:
        said = {
            name: str(value) if isinstance(value, date) else value
            for name, value in body.items()
            if value is not None
        }
        request = Request("POST", path, json=said, headers=_idempotent(idempotency_key))
        return self._answers.read(Job, request)


def _idempotent(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid.uuid4())}
