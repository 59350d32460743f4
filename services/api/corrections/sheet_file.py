"""Read a sheet of corrections that was sent back, row by row, whatever program has written it.

CSV in UTF-8, with commas, semicolons or tabs: spreadsheets write what their country is used to. Whatever else is not
as the sheet was is refused with its line.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import Framer
from libs.common.csv.records import Record, split
from libs.common.csv.text import Text
from libs.common.errors import BadInput
from services.api.corrections.sheet import DISCARDED, PLACE_SIGN, Cell, SheetRow, plain
from services.api.exports.csv_cells import undo_defuse

_DELIMITERS = (",", ";", "\t")
_MARK = b"\xef\xbb\xbf"
_MOST_LINE = 16 << 20
"""Bytes of one row."""
_DIGITS = 20


class SheetRefused(BadInput):
    """A line of the sheet cannot be taken."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__("sheet-refused", f"line {line}: {reason}")
        self.line = line
        self.reason = self.message.partition(": ")[2]


def read_sheet(path: Path, columns: Sequence[str], width: int) -> Iterator[SheetRow]:
    """Yield the rows of a sheet below its first line, which names `columns`; the first `width` are the source's.

    Raises `SheetRefused`.
    """
    with path.open("rb") as file:
        for record in _records_below_header(file, columns):
            yield _read_row(record, columns, width)


def _records_below_header(file: BinaryIO, columns: Sequence[str]) -> Iterator[Record]:
    start = len(_MARK) if file.read(len(_MARK)) == _MARK else 0
    for delimiter in _DELIMITERS:
        file.seek(start)
        dialect = FileFormat(delimiter=delimiter)
        framer = Framer(Text(file), dialect, max_record_bytes=_MOST_LINE)
        records = chain.from_iterable(split(framer))
        first = next(records, None)
        if first is not None and _is_header(first, columns):
            return records
    raise SheetRefused(
        1,
        "this is no sheet of this job's corrections: its first line must be that of the file that GET "
        "corrections.csv gives, in UTF-8; leave the columns as they are, and save it as CSV (UTF-8)",
    )


def _is_header(record: Record, columns: Sequence[str]) -> bool:
    names = [plain(text or "") for text in _texts(record)]
    return record.fault is None and names == [plain(name) for name in columns]


def _texts(record: Record) -> list[Cell]:
    return [None if cell is None else undo_defuse(cell.decode()) for cell in record.cells]


def _read_row(record: Record, columns: Sequence[str], width: int) -> SheetRow:
    line = record.line_number
    if record.fault is not None:
        raise SheetRefused(line, f"it is no line of CSV in UTF-8: {record.fault.message}")
    texts = _texts(record)
    if len(texts) != len(columns):
        raise SheetRefused(line, f"it has {len(texts)} cells, and the first line {len(columns)}")
    named = dict(zip(columns[width:], texts[width:], strict=True))
    return SheetRow(
        line,
        _read_number(line, "adsp_place", (named["adsp_place"] or "").removeprefix(PLACE_SIGN)),
        _read_number(line, "adsp_version", named["adsp_version"])
        if named["adsp_version"]
        else None,
        tuple(texts[:width]),
        named["adsp_record"],
        _read_discard(line, named["adsp_discard"]),
    )


def _read_number(line: int, column: str, text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < _DIGITS
    if is_number and int(text) < 1 << 63:
        return int(text)
    raise SheetRefused(line, f"{column} is {text[:100]!r}, and must stay what it was")


def _read_discard(line: int, text: Cell) -> Cell:
    if text and text.strip().lower() != DISCARDED:
        raise SheetRefused(
            line,
            f"adsp_discard is {text[:100]!r}: write {DISCARDED} to leave the row out, or nothing",
        )
    return text
