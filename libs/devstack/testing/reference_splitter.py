"""Split records one byte at a time: slow, independent of the production code, and easy to check by eye.

The tests compare `libs.common.csv.records` with it, and the loader's oracle reads files through it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from libs.common.csv.dialect import FileFormat
from libs.common.enums import ErrorCode
from libs.devstack.testing.reference_json import reference_members

CR, LF, BACKSLASH, CTRL_Z = 13, 10, 92, 26
ESCAPED = {"n": 10, "t": 9, "r": 13, "b": 8, "0": 0, "Z": 26}


StoredCell: TypeAlias = tuple[bytes | None, bool]
"""A cell's text as stored, None where an escape makes it NULL, and whether it had quotes or escapes."""


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
    header_line: bytes = b"",
) -> list[ReferenceRecord]:
    """Return the records of `data`, which holds no byte order mark.

    `cr_ends_records`: the file's header ends with a lone CR. `header_line` is what a repeated header is, as stored.
    Of a record above the cap `kept` bytes are kept, the cap at least.
    UTF-16 is read two bytes at a time; the cap counts what a record would be in UTF-8.
    """
    file = Stored(data, dialect.encoding)
    units = file.units
    records = []
    position, line = 0, first_line
    ends = LineEnding(dialect.line_end, cr=cr_ends_records)
    while position < len(units):
        start, start_line = position, line
        end, cells, code = _scan(file, start, dialect, ends)
        is_comment = dialect.comment is not None and _stands(units, start, dialect.comment)
        if is_comment:
            end = ends.next(units, start)
        capped = end
        if file.measure(start, end) > cap:
            beyond = file.pass_by(start, cap)
            end, code = ends.next(units, beyond), ErrorCode.LINE_TOO_LONG
            capped = min(end, file.reach(start, max(cap, kept)))
        position = ends.behind(units, end)
        line += ends.count(units[start:position])
        raw = file.cut(start, capped)
        is_header = dialect.header.repeated and _is_header(raw, header_line, file.encoding)
        is_end_mark = units[start:] == [CTRL_Z] and dialect.delimiter != "\x1a"
        if end > start and not (is_comment or is_header or is_end_mark):
            place = min(start * file.unit, len(data))
            record = _judge(start_line, place, raw, cells, code, dialect, width)
            # One that an escape makes NULL is not empty.
            is_blank = code is None and all(cell == b"" for cell, _ in cells)
            if not (is_blank and dialect.blank_records == "skip"):
                records.append(record)
    return records


def _is_header(raw: bytes, header_line: bytes, encoding: str) -> bool:
    """Return whether this is the header again, perhaps behind a mark."""
    if encoding in {"utf-8", "utf-16-le", "utf-16-be"}:
        raw = raw.removeprefix("\ufeff".encode(encoding))
    return raw == header_line


def _stands(units: Sequence[int], position: int, text: str) -> bool:
    """Return whether a text of ASCII stands here."""
    return list(units[position : position + len(text)]) == [ord(sign) for sign in text]


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


def _scan(  # noqa: PLR0912  # a state machine is easiest to check in one piece
    file: Stored, start: int, dialect: FileFormat, ends: "LineEnding"
) -> tuple[int, list[StoredCell], ErrorCode | None]:
    """Return where the record ends, its cells as (bytes, was quoted), and how it is damaged."""
    quote = None if dialect.quote is None else ord(dialect.quote)
    cells: list[StoredCell] = []
    data, cell, state, begin = file.units, bytearray(), "cell-start", start
    position = start
    while position < len(data):
        byte = data[position]
        if dialect.escape is not None and byte == BACKSLASH and state != "closed":
            if position + 1 == len(data):
                return len(data), [], ErrorCode.MALFORMED_QUOTE
            position += 1
            is_pair = list(data[position : position + 2]) == [CR, LF]
            after = position + (2 if is_pair else 1)
            cell += _escaped(file, position, after)
            state, position = "quoted" if state == "quoted" else "plain", after - 1
        elif state == "quoted":
            if byte != quote:
                cell += file.cut(position, position + 1)
            elif position + 1 < len(data) and data[position + 1] == quote:
                cell += file.cut(position, position + 1)
                position += 1
            else:
                state = "closed"
        elif ends.stands(data, position):
            break
        elif byte == CR:
            return ends.next(data, position), [], ErrorCode.BARE_CARRIAGE_RETURN
        elif _stands(data, position, dialect.delimiter):
            cells.append(_close(file, dialect, begin, position, cell, state))
            position += len(dialect.delimiter) - 1
            cell, state, begin = bytearray(), "cell-start", position + 1
        elif byte == quote and state == "cell-start":
            state = "quoted"
        elif byte == quote or state == "closed":
            return ends.next(data, position), [], ErrorCode.MALFORMED_QUOTE
        else:
            cell += file.cut(position, position + 1)
            state = "plain"
        position += 1
    cells.append(_close(file, dialect, begin, position, cell, state))
    if dialect.trailing_delimiter and len(cells) > 1 and begin == position:
        cells.pop()
    return position, cells, ErrorCode.MALFORMED_QUOTE if state == "quoted" else None


def _close(
    file: Stored, dialect: FileFormat, begin: int, end: int, cell: bytearray, state: str
) -> StoredCell:
    """Return a cell that ends here; None is one that an escape makes NULL."""
    inner = range(begin + 1, end - 1) if state == "closed" else range(begin, end)
    is_null = dialect.escape is not None and len(inner) == len("\\N")
    if is_null and _stands(file.units, inner.start, "\\N"):
        return None, False
    return bytes(cell), state == "closed" or bytes(cell) != file.cut(begin, end)


def _escaped(file: Stored, position: int, after: int) -> bytes:
    """Return what stands for the character behind a backslash."""
    unit = file.units[position]
    meant = ESCAPED.get(chr(unit)) if 0 <= unit < 128 else None
    if meant is None:
        return file.cut(position, after)
    order: Literal["little", "big"] = "little" if file.encoding.endswith("le") else "big"
    return meant.to_bytes(file.unit, order)


def _judge(
    line: int,
    offset: int,
    raw: bytes,
    cells: list[StoredCell],
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
        texts = [
            (None if cell is None else cell.decode(encoding), was_quoted)
            for cell, was_quoted in cells
        ]
    except UnicodeDecodeError:
        return ReferenceRecord(line, offset, raw, None, ErrorCode.ENCODING_ERROR)
    if "\0" in whole or any("\0" in (text or "") for text, _ in texts):
        return ReferenceRecord(line, offset, raw, None, ErrorCode.ENCODING_ERROR)
    if dialect.type == "jsonl":
        return _judge_json(line, offset, raw, whole, dialect)
    if width is not None and len(cells) != width:
        short = len(cells) < width
        code = ErrorCode.MISSING_CELL if short else ErrorCode.EXTRA_CELL
        return ReferenceRecord(line, offset, raw, None, code)
    nulls = [dialect.null] if isinstance(dialect.null, str) else dialect.null
    values = [
        None if text in nulls and (dialect.quoted_null or not was_quoted) else text
        for text, was_quoted in texts
    ]
    return ReferenceRecord(line, offset, raw, values, None)


def _judge_json(
    line: int, offset: int, raw: bytes, text: str, dialect: FileFormat
) -> ReferenceRecord:
    """Read the values of a JSON object, whose keys must be among the names."""
    cells: dict[str, str | None] = dict.fromkeys(dialect.header.names)
    code = None
    try:
        for key, stored in reference_members(text).items():
            value = json.loads(stored, parse_int=str, parse_float=str)
            is_text = isinstance(value, str)
            if key not in cells:
                code = code or ErrorCode.EXTRA_CELL
            cells[key] = None if value is None else value if is_text else stored
    except (ValueError, RecursionError):
        code = code or ErrorCode.TYPE_ERROR
    if code is None and any(_is_unstorable(cell) for cell in cells.values()):
        code = ErrorCode.ENCODING_ERROR
    values = None if code else [cells[name] for name in dialect.header.names]
    return ReferenceRecord(line, offset, raw, values, code)


def _is_unstorable(cell: str | None) -> bool:
    """Return whether a text has a NUL or half of a character."""
    return cell is not None and any(
        letter == "\0" or "\ud800" <= letter < "\ue000" for letter in cell
    )


@dataclass(frozen=True)
class LineEnding:
    """Where lines end: at LF and CRLF, where `cr` also at CR, or as the format's `line_end` says."""

    line_end: str
    cr: bool

    def stands(self, data: Sequence[int], position: int) -> bool:
        """Return whether a line end begins here."""
        byte, is_pair = data[position], list(data[position : position + 2]) == [CR, LF]
        return {
            "auto": byte == LF or is_pair or (byte == CR and self.cr),
            "lf": byte == LF,
            "crlf": is_pair,
            "cr": byte == CR,
        }[self.line_end]

    def next(self, data: Sequence[int], position: int) -> int:
        """Return where the next line end at or after `position` begins, or the end of the data."""
        while position < len(data) and not self.stands(data, position):
            position += 1
        return position

    def behind(self, data: Sequence[int], position: int) -> int:
        """Step over the line end that begins here."""
        is_pair = list(data[position : position + 2]) == [CR, LF]
        return min(position + (2 if is_pair else 1), len(data))

    def count(self, data: Sequence[int]) -> int:
        """Count line ends."""
        count, position = 0, 0
        while position < len(data):
            if self.stands(data, position):
                count += 1
                position = self.behind(data, position)
            else:
                position += 1
        return count
