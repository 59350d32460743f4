"""Write failed rows as the file they came from: its header, then their bytes as they were.

What comes out can be sent to the job's replay, as it is or corrected.
"""

from collections.abc import Generator, Iterable, Sequence
from itertools import chain

from libs.common.csv.dialect import FileFormat
from libs.common.csv.header import DELIMITER_LINE

_BLOCK_BYTES = 1 << 20
_MARK = "\ufeff"
_LINE_ENDS = {"auto": "\n", "lf": "\n", "crlf": "\r\n", "cr": "\r"}


def write_header(cells: Sequence[str], dialect: FileFormat) -> bytes:
    """Return the header line in the dialect's encoding; none for files without one."""
    if dialect.header.lines == 0:
        return b""
    names = [write_text(cell, dialect) for cell in cells]
    if dialect.delimiter.join(names).lower().startswith(DELIMITER_LINE):
        names[0] = quote_text(cells[0], dialect)
    line = dialect.delimiter.join(names)
    line += dialect.delimiter * dialect.trailing_delimiter + _LINE_ENDS[dialect.line_end]
    return line.encode(dialect.encoding)


def source_blocks(
    raws: Iterable[bytes], header: Sequence[str], dialect: FileFormat
) -> Generator[bytes]:
    """Yield the file of these records in blocks, reading them as they are asked for."""
    records = iter(raws)
    first = next(records, None)
    gathered = bytearray(write_header(header, dialect) or _write_start(first, dialect))
    line_end, return_ = (
        sign.encode(dialect.encoding) for sign in (_LINE_ENDS[dialect.line_end], "\r")
    )
    is_auto = dialect.line_end == "auto"
    for raw in chain(() if first is None else (first,), records):
        # A return that ends the record would be part of the line end, were that an LF alone.
        is_open = is_auto and raw.endswith(return_)
        gathered += raw + (return_ if is_open else b"") + line_end
        if len(gathered) >= _BLOCK_BYTES:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _write_start(first: bytes | None, dialect: FileFormat) -> bytes:
    """Return a delimiter line where the first record of a file without a header would be read as one, or as a mark."""
    if dialect.type != "csv" or first is None:
        return b""
    text = first.decode(dialect.encoding, "ignore").lower()
    if not text.startswith((DELIMITER_LINE, _MARK)) and not first.startswith(_MARK.encode()):
        return b""
    line = DELIMITER_LINE + dialect.delimiter + _LINE_ENDS[dialect.line_end]
    return line.encode(dialect.encoding)


def write_text(cell: str, dialect: FileFormat) -> str:
    """Return a text as a cell, in quotes where it would be read otherwise, or as a byte order mark."""
    quote, escape = dialect.quote, dialect.escape
    if quote is None:
        return cell
    marks = (quote, *dialect.delimiter, "\r", "\n", _MARK, *filter(None, (escape,)))
    is_comment = dialect.comment is not None and cell.startswith(dialect.comment)
    if cell and not is_comment and not any(mark in cell for mark in marks):
        return cell
    return quote_text(cell, dialect)


def quote_text(cell: str, dialect: FileFormat) -> str:
    """Return a text as a cell in quotes, if the dialect has some."""
    quote, escape = dialect.quote, dialect.escape
    if quote is None:
        return cell
    if escape is not None:
        cell = cell.replace(escape, escape * 2)
    return quote + cell.replace(quote, quote * 2) + quote
