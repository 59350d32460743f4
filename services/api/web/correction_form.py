"""The form of one failed row: the fields it shows, and the correction that what was sent stands for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from sqlalchemy.orm import Session

from libs.common.ledger.models import Correction, FailedRow, Job
from services.api.corrections.sheet import plain
from services.api.exports.dialects import encoding_of
from services.api.routes.corrections import find_row
from services.api.routes.job_files import paths_of
from services.api.schemas import place_of, render_raw
from services.api.security.caller import Caller
from services.api.web.failed_rows_page import RowLayout

MOST_CELLS = 200
"""A form has two fields for each, and a thousand at most."""

_MOST_RECORD = 1 << 18


@dataclass(frozen=True)
class CellField:
    """The field of one cell: what stands in it, what the draft has by now, and how the cell came."""

    place: int
    name: str
    value: str | None
    now: str | None
    came: str | None
    is_bad: bool


@dataclass(frozen=True)
class CorrectionForm:
    """A failed row, its draft, and how its record is cut."""

    job: Job
    row: FailedRow
    draft: Correction | None
    layout: RowLayout

    @classmethod
    def find(cls, session: Session, caller: Caller, job_id: UUID, place: int) -> Self:
        """Return the form of a row, or raise `NotFound`."""
        job = caller.find_job(session, job_id)
        row = find_row(session, job, place)
        layout = RowLayout.of(job, paths_of(session, job))
        return cls(job, row, session.get(Correction, (job_id, place)), layout)

    @property
    def file_and_line(self) -> tuple[str, int]:
        """Return where the row stands."""
        return place_of(self.row, self.layout.paths)[:2]

    @property
    def record(self) -> str:
        """Return the whole record, as the draft has it."""
        if self.draft is not None and self.draft.record is not None:
            return self.draft.record
        return self._record_as_it_came

    def fields(self, sent: Mapping[str, str]) -> list[CellField]:
        """Return the fields of the cells, with what was sent already."""
        came = self.layout.before(self.row) or []
        bad = self.layout.bad_cell(self.row)
        fields = []
        for place, text in enumerate(came[:MOST_CELLS]):
            now = self._now(place, text)
            value = _sent_cell(sent, place, now) if f"cell.{place}" in sent else now
            name = self.layout.header[place]
            fields.append(CellField(place, name, value, now, text, is_bad=place == bad))
        return fields

    def correction(self, sent: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the correction that was sent, None where the row is to be as it came."""
        if "discarded" in sent:
            return {"discarded": True}
        if "reset" in sent:
            return None
        if "record" in sent:
            is_same = _is_same(sent["record"], self._record_as_it_came)
            return None if is_same else {"record": _line_ends_like(sent["record"], self.record)}
        cells = self._changed_cells(sent)
        return {"cells": cells} if cells else None

    def _changed_cells(self, sent: Mapping[str, str]) -> dict[str, str | None]:
        """Return the cells that differ from how they came; what the form has no field for stays in the draft."""
        changed = dict((self.draft.cells if self.draft else None) or {})
        for place, came in enumerate(self.layout.before(self.row) or []):
            if f"cell.{place}" not in sent:
                continue
            text, name = _sent_cell(sent, place, self._now(place, came)), self.layout.header[place]
            if text is came or (text is not None and came is not None and _is_same(text, came)):
                changed.pop(name, None)
            else:
                changed[name] = text if text is None else _line_ends_like(text, came)
        return changed

    def _now(self, place: int, came: str | None) -> str | None:
        changed = (self.draft.cells if self.draft else None) or {}
        return changed.get(self.layout.header[place], came)

    @property
    def _record_as_it_came(self) -> str:
        return render_raw(self.row.raw[:_MOST_RECORD], encoding_of(self.job))[0]


def _sent_cell(sent: Mapping[str, str], place: int, now: str | None) -> str | None:
    """Return what a cell's two fields say: who writes into a NULL need not take the mark off."""
    text = sent[f"cell.{place}"]
    is_null = f"null.{place}" in sent and not (now is None and text)
    return None if is_null else text


def _is_same(sent: str, text: str) -> bool:
    """Return whether texts differ in line ends at most: a browser sends its own."""
    return plain(sent) == plain(text)


def _line_ends_like(sent: str, text: str | None) -> str:
    return sent if text is not None and "\r\n" in text else sent.replace("\r\n", "\n")
