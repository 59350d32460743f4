"""Write failed rows as the file they came from: its header, then their bytes as they were.

What comes out can be sent to the job's replay, as it is or corrected.
"""

from collections.abc import Generator, Iterable, Sequence

from libs.common.datasets import FileFormat

_BLOCK_BYTES = 1 << 20
_LINE_END = b"\n"


def write_header(cells: Sequence[str], dialect: FileFormat) -> bytes:
    """Return the header line in the dialect's encoding."""
    line = dialect.delimiter.join(_write_name(cell, dialect) for cell in cells)
    return line.encode(dialect.encoding) + _LINE_END


def source_blocks(
    raws: Iterable[bytes], header: Sequence[str], dialect: FileFormat
) -> Generator[bytes]:
    """Yield the file of these records in blocks, reading them as they are asked for."""
    gathered = bytearray(write_header(header, dialect))
    for raw in raws:
        gathered += raw + _LINE_END
        if len(gathered) >= _BLOCK_BYTES:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _write_name(cell: str, dialect: FileFormat) -> str:
    """Quote a name that would be read otherwise, or as a byte order mark."""
    quote = dialect.quote
    if cell and not any(mark in cell for mark in (quote, dialect.delimiter, "\r", "\n", "\ufeff")):
        return cell
    return quote + cell.replace(quote, quote * 2) + quote
