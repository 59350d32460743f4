"""Split records one byte at a time: slow, independent of the production code, and easy to check by eye.

The tests compare `libs.common.records` with it, and the loader's oracle reads files through it.
"""

from dataclasses import dataclass

from libs.common.datasets import FileFormat
from libs.common.states import ErrorCode

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
    data: bytes, dialect: FileFormat, *, width: int | None, cap: int, first_line: int = 1
) -> list[ReferenceRecord]:
    """Return the records of `data`, which holds no byte order mark."""
    records = []
    position, line = 0, first_line
    while position < len(data):
        start, start_line = position, line
        end, cells, damaged = _scan(data, start, dialect)
        code = ErrorCode.MALFORMED_QUOTE if damaged else None
        if end - start > cap:
            end, code = _line_end(data, start + cap), ErrorCode.LINE_TOO_LONG
        position = _behind_line_end(data, end)
        line += _count_line_ends(data[start:position])
        if end > start:
            raw = data[start:end][:cap]
            records.append(_judge(start_line, start, raw, cells, code, dialect, width))
    return records


def _scan(
    data: bytes, start: int, dialect: FileFormat
) -> tuple[int, list[tuple[bytes, bool]], bool]:
    """Return where the record ends, its cells as (bytes, was quoted), and whether it is damaged."""
    quote, delimiter = ord(dialect.quote), ord(dialect.delimiter)
    cells: list[tuple[bytes, bool]] = []
    cell, state = bytearray(), "cell-start"
    position = start
    while position < len(data):
        byte = data[position]
        if state == "quoted":
            if byte != quote:
                cell.append(byte)
            elif position + 1 < len(data) and data[position + 1] == quote:
                cell.append(quote)
                position += 1
            else:
                state = "closed"
        elif byte in (CR, LF):
            break
        elif byte == delimiter:
            cells.append((bytes(cell), state == "closed"))
            cell, state = bytearray(), "cell-start"
        elif byte == quote and state == "cell-start":
            state = "quoted"
        elif byte == quote or state == "closed":
            return _line_end(data, position), [], True
        else:
            cell.append(byte)
            state = "plain"
        position += 1
    cells.append((bytes(cell), state == "closed"))
    return position, cells, state == "quoted"


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
    try:
        whole = raw.decode(dialect.encoding)
        texts = [(cell.decode(dialect.encoding), was_quoted) for cell, was_quoted in cells]
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


def _line_end(data: bytes, position: int) -> int:
    """Return where the next line end at or after `position` begins, or the end of the data."""
    while position < len(data) and data[position] not in (CR, LF):
        position += 1
    return position


def _behind_line_end(data: bytes, position: int) -> int:
    """Step over one LF, CRLF or CR."""
    if data[position : position + 2] == b"\r\n":
        return position + 2
    return min(position + 1, len(data))


def _count_line_ends(data: bytes) -> int:
    """Count LF, CRLF and CR, each as one."""
    count, position = 0, 0
    while position < len(data):
        if data[position] in (CR, LF):
            count += 1
            position = _behind_line_end(data, position)
        else:
            position += 1
    return count
