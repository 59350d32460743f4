"""Read a source's header and match its cells to columns of the target table, by name.

Runs before a row is touched: in the worker's plan, so that a wrong file fails early, and again in the loader,
which must know the columns. Every `HeaderError` says how to fix the file or the dataset.
"""

from dataclasses import dataclass

from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import MAX_RECORD_BYTES, ByteStream, Framer
from libs.common.csv.records import Record, RecordSplitter
from libs.common.csv.utf16 import ENCODINGS as WIDE_ENCODINGS
from libs.common.csv.utf16 import bom_of, with_byte_order
from libs.common.errors import HeaderError, SourceError

_WITH_MARK = {"utf-8", *WIDE_ENCODINGS}
_LONGEST_MARK = 3
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Header:
    """The names in the first record, where the record after it begins, and the encoding with its byte order.

    `cr_ends_records`: its line ends with a lone CR, so that others may. Else a lone CR outside quotes is damage.
    """

    cells: tuple[str, ...]
    byte_end: int
    next_line: int
    encoding: str = "utf-8"
    cr_ends_records: bool = False


class _Rejoined:
    """A stream whose first bytes have been read and put back."""

    def __init__(self, seen: bytes, stream: ByteStream) -> None:
        self._seen, self._stream = seen, stream

    def read(self, size: int, /) -> bytes:
        """Return the bytes put back first, then those of the stream."""
        if not self._seen:
            return self._stream.read(size)
        taken, self._seen = self._seen[:size], self._seen[size:]
        return taken


def read_header(
    stream: ByteStream, dialect: FileFormat, *, max_record_bytes: int = MAX_RECORD_BYTES
) -> Header:
    """Read the header from a stream that stands at its first byte; a byte order mark is dropped.

    The stream is read further than the header: open the source again to go on at `byte_end`.

    Raises `SourceError("source-empty")` when there is no record at all, `HeaderError("header-malformed")`
    when the first one is not well-formed.
    """
    start = _read_up_to(stream, _LONGEST_MARK)
    dialect = dialect.model_copy(update={"encoding": with_byte_order(dialect.encoding, start)})
    mark = bom_of(dialect.encoding) if dialect.encoding in _WITH_MARK else b""
    skipped = len(mark) if start.startswith(mark) else 0
    framer = Framer(
        _Rejoined(start[skipped:], stream),
        dialect,
        first_offset=skipped,
        max_record_bytes=max_record_bytes,
        block_bytes=_BLOCK_BYTES,
        cr_ends_records=True,  # it is the header that tells
    )
    # No name is ever NULL: a cell cannot hold the NUL that stands for it here.
    splitter = RecordSplitter(
        dialect.model_copy(update={"null": "\0"}), max_record_bytes=max_record_bytes
    )
    for block in framer.blocks():
        first = splitter.split_first(block)
        if first is not None:
            record, byte_end, next_line, ends_with_cr = first
            return Header(_names(record), byte_end, next_line, dialect.encoding, ends_with_cr)
    raise SourceError(
        "source-empty", "the source holds no header and no record; send the whole file"
    )


def _names(record: Record) -> tuple[str, ...]:
    """Return the header's cells as text, or raise when it is not well-formed."""
    if record.fault is not None:
        raise HeaderError("header-malformed", f"the header cannot be read: {record.fault.message}")
    return tuple("" if cell is None else cell.decode() for cell in record.cells)


def _read_up_to(stream: ByteStream, size: int) -> bytes:
    """Read at least `size` bytes, or fewer at the end of the stream."""
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data
