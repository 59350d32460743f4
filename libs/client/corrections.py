"""Correct the failed rows of a job: the draft that its correctors share, a check of it, and the replay that loads it.

draft = client.corrections(job.id)
for row in client.failed_rows(job.id):
draft.put(row.place, cells={"price": "1.50"})
job = client.wait(draft.replay(), seconds=600)

Or in a spreadsheet: ``draft.export(file)``, then ``draft.upload(path)``.
"""

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Unpack

from libs.client.answers import Answers
from libs.client.file_body import blocks_of, size_of
from libs.client.models import Correction, Document, Job, RowFilters, RuleResult
from libs.client.transport import Request

_TIMEOUT = 600.0
"""The api answers when all rows are read, or written."""


class UploadedSheet(Document):
    """What a sheet has changed: of its `rows`, how many corrections were written, and how many taken back."""

    rows: int
    changed: int
    removed: int
    draft_version: str


class Corrections:
    """The draft of one job."""

    def __init__(self, answers: Answers, job_id: str) -> None:
        """Send by what the client sends by."""
        self._answers = answers
        self._path = f"/v1/jobs/{job_id}/corrections"

    def __iter__(self) -> Iterator[Correction]:
        return self._answers.list(Correction, self._path, {})

    def put(
        self,
        place: int,
        *,
        cells: Mapping[str, str | None] | None = None,
        record: str | None = None,
        discarded: bool = False,
        version: int | None = None,
    ) -> Correction:
        """Correct a failed row by one of cells, record and discarded; `version` is that of what it has by now.

        Raises `Refused` with the code `correction-changed` when somebody was faster.
        """
        body = {"cells": cells, "record": record, "discarded": discarded, "version": version}
        request = Request("PUT", f"{self._path}/{place}", json=body, is_repeatable=False)
        return self._answers.read(Correction, request)

    def take_back(self, correction: Correction) -> None:
        """Remove the correction of a row from the draft, as it was seen."""
        self._answers.json(
            Request(
                "DELETE",
                f"{self._path}/{correction.place}",
                parameters={"version": correction.version},
                is_repeatable=False,
            )
        )

    def preview(
        self,
        rule: Mapping[str, Any],
        cell: str,
        where: Mapping[str, str] | None = None,
        *,
        examples: int = 5,
    ) -> RuleResult:
        """Return what a rule would change, for example ``{"kind": "trim"}``."""
        body = {"rule": rule, "cell": cell, "where": where or {}, "examples": examples}
        return self._patch(body)

    def apply(
        self,
        rule: Mapping[str, Any],
        cell: str,
        where: Mapping[str, str] | None = None,
        *,
        seen: RuleResult,
    ) -> RuleResult:
        """Write what a rule changes, as its preview has shown it; raises `Refused` when the draft has changed since."""
        body = {"rule": rule, "cell": cell, "where": where or {}, "preview": False}
        return self._patch({**body, "draft_version": seen.draft_version})

    def export(self, file: BinaryIO, **filters: Unpack[RowFilters]) -> None:
        """Write the sheet of the draft to a file: CSV of the failed rows as the draft has them, to correct."""
        self._answers.save(Request("GET", f"{self._path}.csv", parameters=filters), file)

    def upload(self, path: Path) -> UploadedSheet:
        """Write what was changed in such a sheet into the draft, all or nothing; sent again, it changes nothing.

        Raises `Refused` with the code `sheet-refused`, which names the lines that cannot be taken.
        """
        request = Request(
            "POST",
            f"{self._path}.csv",
            headers={"Content-Type": "text/csv", **size_of(path)},
            content=lambda: blocks_of(path),
            timeout=_TIMEOUT,
        )
        return self._answers.read(UploadedSheet, request)

    def check(self) -> Job:
        """Return the dry run that tells what Postgres says of the rows as they are corrected."""
        return self._post("check", {})

    def replay(self, *, idempotency_key: str | None = None) -> Job:
        """Return the job that loads the draft; there is one only, however often it is asked for."""
        return self._post("replay", {"Idempotency-Key": idempotency_key or str(uuid.uuid4())})

    def _patch(self, body: Mapping[str, Any]) -> RuleResult:
        request = Request(
            "PATCH", self._path, json=dict(body), timeout=_TIMEOUT, is_repeatable=False
        )
        return self._answers.read(RuleResult, request)

    def _post(self, action: str, headers: Mapping[str, str]) -> Job:
        request = Request("POST", f"{self._path}/{action}", headers=dict(headers), timeout=_TIMEOUT)
        return self._answers.read(Job, request)
