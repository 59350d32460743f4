"""Split records one byte at a time: slow, independent of the production code, and easy to check by eye.

The tests compare `libs.common.csv.records` with it, and the loader's oracle reads files through it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from libs.common.csv.dialect import FileFormat
from libs.common.enums import ErrorCode

CR, LF = 13, 10


@dataclass(frozen=True)
class ReferenceRecord:
    """One record as the rules of DESIGN.md have it; `cells` is None when it is not well-formed."""

    line_number: int
    byte_offset: int
    raw: bytes
    cells: list[str | None] | None
    code: ErrorCode | None


def reference_split(
    data: bytes,
    dialect: FileFormat,
    *,
    width: int | None,
    cap: int,
    first_line: int = 1,
    cr_ends_records: bool = False,
    kept: int = 0,
) -> list[ReferenceRecord]:
    """Return the records of `data`, which holds no byte order mark.

    `cr_ends_records`: the file's header ends with a lone CR.
    Of a record above the cap `kept` bytes are kept, the cap at least.
    UTF-16 is read two bytes at a time; the cap counts what a record would be in UTF-8.
    """
    file = Stored(data, dialect.encoding)
    units = file.units
    records = []
    position, line = 0, first_line
    while position < len(units):
        start, start_line = position, line
        end, cells, code = _scan(file, start, dialect, cr=cr_ends_records)
        capped = end
        if file.measure(start, end) > cap:
            beyond = file.pass_by(start, cap)
            end, code = _line_end(units, beyond, cr=cr_ends_records), ErrorCode.LINE_TOO_LONG
            capped = min(end, file.reach(start, max(cap, kept)))
        position = _behind_line_end(units, end)
        line += _count_line_ends(units[start:position], cr=cr_ends_records)
        if end > start:
            raw = file.cut(start, capped)
            place = min(start * file.unit, len(data))
            records.append(_judge(start_line, place, raw, cells, code, dialect, width))
    return records


class Stored:
    """The bytes of a file as numbers, one for each unit of its encoding; half a unit at the end is -1."""

    def __init__(self, data: bytes, encoding: str) -> None:
        """Take the bytes apart."""
        self._data = data
        self.encoding = {"utf-16": "utf-16-le"}.get(encoding, encoding)
        self.unit = 2 if self.encoding.startswith("utf-16") else 1
        order: Literal["little", "big"] = "little" if self.encoding.endswith("le") else "big"
        pieces = (data[at : at + self.unit] for at in range(0, len(data), self.unit))
        self.units = [
            int.from_bytes(piece, order) if len(piece) == self.unit else -1 for piece in pieces
        ]

    def cut(self, start: int, end: int) -> bytes:
        """Return the bytes of units."""
        return self._data[start * self.unit : end * self.unit]

    def measure(self, start: int, end: int) -> int:
        """Return how long a record is: in bytes, or as UTF-8, in which half a unit counts three."""
        if self.unit == 1:
            return end - start
        odd = end > start and self.units[end - 1] < 0
        text = self.cut(start, end - odd).decode(self.encoding, "surrogatepass")
        return len(text.encode("utf-8", "surrogatepass")) + 3 * odd

    def reach(self, start: int, cap: int) -> int:
        """Return the end of the whole characters within the cap."""
        return self._seek(start, cap, 0)

    def pass_by(self, start: int, cap: int) -> int:
        """Return the first unit that stands at the cap or beyond."""
        return self._seek(start, cap, 1)

    def _seek(self, start: int, cap: int, beyond: int) -> int:
        if self.unit == 1:
            return min(start + cap, len(self.units))
        end = start
        while end < len(self.units):
            is_pair = 0xD800 <= self.units[end] < 0xDC00 and end + 1 < len(self.units)
            is_pair = is_pair and 0xDC00 <= self.units[end + 1] < 0xE000
            after = end + (2 if is_pair else 1)
            if self.measure(start, end) >= cap or (not beyond and self.measure(start, after) > cap):
                break
            end = after
        return end


def _scan(
    file: Stored, start: int, dialect: FileFormat, *, cr: bool
) -> tuple[int, list[tuple[bytes, bool]], ErrorCode | None]:
    """Return where the record ends, its cells as (bytes, was quoted), and how it is damaged."""
    quote, delimiter = ord(dialect.quote), ord(dialect.delimiter)
    cells: list[tuple[bytes, bool]] = []
    data, cell, state = file.units, bytearray(), "cell-start"
    position = start
    while position < len(data):
        byte = data[position]
        if state == "quoted":
            if byte != quote:
                cell += file.cut(position, position + 1)
            elif position + 1 < len(data) and data[position + 1] == quote:
                cell += file.cut(position, position + 1)
                position += 1
            else:
                state = "closed"
        elif _is_line_end(data, position, cr=cr):
            break
        elif byte == CR:
            return _line_end(data, position, cr=cr), [], ErrorCode.BARE_CARRIAGE_RETURN
        elif byte == delimiter:
            cells.append((bytes(cell), state == "closed"))
            cell, state = bytearray(), "cell-start"
        elif byte == quote and state == "cell-start":
            state = "quoted"
        elif byte == quote or state == "closed":
            return _line_end(data, position, cr=cr), [], ErrorCode.MALFORMED_QUOTE
        else:
            cell += file.cut(position, position + 1)
            state = "plain"
        position += 1
    cells.append((bytes(cell), state == "closed"))
    return position, cells, ErrorCode.MALFORMED_QUOTE if state == "quoted" else None


def _judge(
    line: int,
    offset: int,
    raw: bytes,
    cells: list[tuple[bytes, bool]],
    code: ErrorCode | None,
    dialect: FileFormat,
    width: int | None,
) -> ReferenceRecord:
    """Decode the cells and look for the faults that a record can have."""
    if code is not None:
        return ReferenceRecord(line, offset, raw, None, code)
    encoding = {"utf-16": "utf-16-le"}.get(dialect.encoding, dialect.encoding)
    try:
        whole = raw.decode(encoding)
        texts = [(cell.decode(encoding), was_quoted) for cell, was_quoted in cells]
    except UnicodeDecodeError:
        return ReferenceRecord(line, offset, raw, None, ErrorCode.ENCODING_ERROR)
    if "\0" in whole:
        return ReferenceRecord(line, offset, raw, None, ErrorCode.ENCODING_ERROR)
    if width is not None and len(cells) != width:
        short = len(cells) < width
        code = ErrorCode.MISSING_CELL if short else ErrorCode.EXTRA_CELL
        return ReferenceRecord(line, offset, raw, None, code)
    values = [
        None if text == dialect.null and not was_quoted else text for text, was_quoted in texts
    ]
    return ReferenceRecord(line, offset, raw, values, None)


def _is_line_end(data: Sequence[int], position: int, *, cr: bool) -> bool:
    """Return whether LF or CRLF begins here, or CR where that ends lines."""
    if data[position] == CR:
        return cr or list(data[position + 1 : position + 2]) == [LF]
    return data[position] == LF


def _line_end(data: Sequence[int], position: int, *, cr: bool) -> int:
    """Return where the next line end at or after `position` begins, or the end of the data."""
    while position < len(data) and not _is_line_end(data, position, cr=cr):
        position += 1
    return position


def _behind_line_end(data: Sequence[int], position: int) -> int:
    """Step over one LF, CRLF or CR."""
    if list(data[position : position + 2]) == [CR, LF]:
        return position + 2
    return min(position + 1, len(data))


def _count_line_ends(data: Sequence[int], *, cr: bool) -> int:
    """Count LF and CRLF, each as one, and CR where it ends lines."""
    count, position = 0, 0
    while position < len(data):
        if _is_line_end(data, position, cr=cr):
            count += 1
            position = _behind_line_end(data, position)
        else:
            position += 1
    return count
