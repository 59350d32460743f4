"""Write the failed rows of a job, as its draft has them, as one CSV file to correct in: the sheet of its corrections.

    cells of the source │ adsp_record │ adsp_discard │ where, why │ adsp_version │ adsp_place

A row that is not cut into cells stands whole in `adsp_record`. What is sent back is read by `sheet_file` and compared
with the draft by `sheet_upload`; where and why are for people. The place stands last, since programs may leave out
empty cells at the end of a line.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import Session, sessionmaker

from libs.common.ledger.models import Correction, FailedRow
from services.api.corrections.row_states import RowReader, RowState
from services.api.exports.csv_cells import write_line
from services.api.exports.csv_report import reason_columns, reason_of
from services.api.exports.row_stream import row_pages

DISCARDED = "yes"
"""In `adsp_discard` of a row that stays behind."""

PLACE_SIGN = "p"
"""Before the number of a place: spreadsheets round a number of more than 15 digits."""

Cell = str | None


def sheet_columns(header: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return the names in the first line of a job's sheet; `paths` are those of its files."""
    reason = reason_columns(paths)
    return [*header, "adsp_record", "adsp_discard", *reason, "adsp_version", "adsp_place"]


def write_sheet(
    sessions: sessionmaker[Session], query: Select[Any], reader: RowReader, paths: Sequence[str]
) -> Generator[str]:
    """Yield the sheet of what a query of failed rows with their drafts selects, in blocks as they are asked for."""
    yield write_line(sheet_columns(reader.header, paths))
    for rows in row_pages(sessions, query):
        yield "".join(write_row(row, draft, reader, paths) for row, draft, _ in map(tuple, rows))


def write_row(
    row: FailedRow, draft: Correction | None, reader: RowReader, paths: Sequence[str]
) -> str:
    """Return the line of a failed row."""
    state = reader.as_drafted(reader.as_it_came(row), draft)
    cells = state.cells or [None] * len(reader.header)
    is_discarded = DISCARDED if state.discarded else ""
    version, place = draft.version if draft else None, f"{PLACE_SIGN}{row.byte_offset}"
    reason = reason_of(row, paths)
    return write_line([*cells, state.record, is_discarded, *reason, version, place])


@dataclass(frozen=True)
class SheetRow:
    """A row of a sheet that was sent back; `line` is the one it starts on, `version` that of the correction seen."""

    line: int
    place: int
    version: int | None
    cells: tuple[Cell, ...]
    record: Cell
    discard: Cell

    @property
    def size(self) -> int:
        """Return about how many characters are held."""
        return sum(len(text or "") for text in (*self.cells, self.record))

    def state(self, seen: RowState) -> RowState | None:
        """Return what the row says of one whose sheet has shown `seen`; None where it is not of that form."""
        if self.discard:
            return replace(seen, discarded=True)
        if seen.cells is None:
            record = self._text(self.record, seen.record)
            is_same = record == seen.record
            state = RowState(None, record, is_start=seen.is_start and is_same)
            return state if (record or is_same) and not any(self.cells) else None
        texts = map(self._text, self.cells, seen.cells)
        return None if self.record else RowState(tuple(texts))

    def _text(self, sent: Cell, seen: Cell) -> Cell:
        """Return the text that a cell stands for, as it was seen where a program may have written it in its own way."""
        is_as_seen = (sent is not None and seen is not None and plain(sent) == plain(seen)) or (
            not sent and not seen and not self._tells_null
        )
        if is_as_seen:
            return seen
        return sent if sent or self._tells_null else None

    @property
    def _tells_null(self) -> bool:
        """Return whether who wrote the line tells NULL (nothing) from the empty text (two quotes).

        Each line has one of both to tell by: `adsp_discard` is the empty text, `adsp_record` NULL.
        """
        return self.discard == "" and self.record is None


def plain(text: str) -> str:
    """Return a text with the line ends that programs agree on."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
