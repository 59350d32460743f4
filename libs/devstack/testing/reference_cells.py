"""Take the bytes of a record apart into cells, one at a time."""

from typing import Literal, TypeAlias

from libs.common.csv.dialect import FileFormat
from libs.common.enums import ErrorCode
from libs.devstack.testing.stored_units import BACKSLASH, CR, LF, LineEnding, Stored, stands

ESCAPED = {"n": 10, "t": 9, "r": 13, "b": 8, "0": 0, "Z": 26}


StoredCell: TypeAlias = tuple[bytes | None, bool]
"""A cell's text as stored, None where an escape makes it NULL, and whether it had quotes or escapes."""


def scan_record(  # noqa: PLR0912  # a state machine is easiest to check in one piece
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
            cell += escaped(file, position, after)
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
        elif stands(data, position, dialect.delimiter):
            cells.append(close_cell(file, dialect, begin, position, cell, state))
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
    cells.append(close_cell(file, dialect, begin, position, cell, state))
    if dialect.trailing_delimiter and len(cells) > 1 and begin == position:
        cells.pop()
    return position, cells, ErrorCode.MALFORMED_QUOTE if state == "quoted" else None


def close_cell(
    file: Stored, dialect: FileFormat, begin: int, end: int, cell: bytearray, state: str
) -> StoredCell:
    """Return a cell that ends here; None is one that an escape makes NULL."""
    inner = range(begin + 1, end - 1) if state == "closed" else range(begin, end)
    is_null = dialect.escape is not None and len(inner) == len("\\N")
    if is_null and stands(file.units, inner.start, "\\N"):
        return None, False
    return bytes(cell), state == "closed" or bytes(cell) != file.cut(begin, end)


def escaped(file: Stored, position: int, after: int) -> bytes:
    """Return what stands for the character behind a backslash."""
    unit = file.units[position]
    meant = ESCAPED.get(chr(unit)) if 0 <= unit < 128 else None
    if meant is None:
        return file.cut(position, after)
    order: Literal["little", "big"] = "little" if file.encoding.endswith("le") else "big"
    return meant.to_bytes(file.unit, order)
