"""Read a source's header and match its cells to columns of the target table, by name.

Runs in the worker's plan, so that a wrong file fails early; the ledger keeps what it has read (`stored_header`).
Every `HeaderError` says how to fix the file or the dataset.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import MAX_RECORD_BYTES, Framer
from libs.common.csv.json_lines import JsonLineError, keys_of
from libs.common.csv.line_ends import line_ends_of
from libs.common.csv.preamble import Preamble, Rejoined
from libs.common.csv.records import First, Record, RecordSplitter
from libs.common.csv.text import ByteStream, Text
from libs.common.csv.utf16 import bom_of, with_byte_order
from libs.common.errors import HeaderError, SourceError

_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8",
}
"""Byte order marks, those first that begin as another does."""
_LONGEST_MARK = 4
_BLOCK_BYTES = 1 << 11
_PROBED_BYTES = 1 << 16
_MOST_MARKS = 8
DELIMITER_LINE = "sep="


class _Place(NamedTuple):
    """Where something begins in the text."""

    position: int
    line_number: int


@dataclass(frozen=True, slots=True)
class Header:
    """The names in the first record, where the record after it begins, and the encoding with its byte order.

    `cr_ends_records`: its line ends with a lone CR, so that others may. Else a lone CR outside quotes is damage.
    `line` are its bytes as text, without mark and line end, and `line_number` says where it stands;
    a format without a header has neither.
    """

    cells: tuple[str, ...]
    byte_end: int
    next_line: int
    encoding: str = "utf-8"
    cr_ends_records: bool = False
    line: bytes = field(default=b"", compare=False)
    line_number: int = field(default=1, compare=False)


def read_header(
    stream: ByteStream, dialect: FileFormat, *, max_record_bytes: int = MAX_RECORD_BYTES
) -> Header:
    """Read the header from a stream that stands at its first byte; byte order marks are dropped.

    The stream is read further than the header: open the source again to go on at `byte_end`.

    Raises `SourceError("source-empty")` when there is no record at all, `HeaderError("header-malformed")`
    when the first one is not well-formed, or the file's mark is that of another encoding, and
    `HeaderError("header-not-found")` where the format says where it stands, and it does not.
    """
    start = _read_up_to(stream, _LONGEST_MARK * _MOST_MARKS)
    _refuse_foreign_mark(start, dialect.encoding)
    dialect = dialect.model_copy(update={"encoding": with_byte_order(dialect.encoding, start)})
    mark = bom_of(dialect.encoding) if dialect.text_encoding == "utf-8" else b""
    skipped = 0
    while mark and start.startswith(mark, skipped):
        skipped += len(mark)
    text = Text(Rejoined(start[skipped:], stream), dialect.encoding, skipped)
    found = _read_text(text, start[skipped:], dialect, max_record_bytes)
    return replace(found, byte_end=text.place(found.byte_end))


def _read_text(text: Text, start: bytes, dialect: FileFormat, max_record_bytes: int) -> Header:
    """Read the header from a text behind its mark; its `byte_end` is a position in that."""
    ends = line_ends_of(dialect.line_end, cr_ends_records=True)
    before = Preamble(text, dialect.text_encoding, ends, max_record_bytes)
    if not (dialect.header.skip_before or dialect.header.find):
        _pass_declared_delimiter(before, start, dialect)
    before.skip(dialect.header.skip_before)
    if dialect.header.find is not None:
        before.find(dialect.header.find)
    begin = _Place(text.start + before.passed, 1 + before.lines)
    if dialect.header.lines == 0:
        return _without_header(before.rest(), dialect, begin)
    if dialect.type == "jsonl":
        return _read_keys(before.rest(), dialect, begin, max_record_bytes)
    return _read_first(before.rest(), dialect, begin, max_record_bytes)


def _pass_declared_delimiter(before: Preamble, start: bytes, dialect: FileFormat) -> None:
    """Pass a first line as `sep=;`, which Excel reads; raise where it contradicts the format."""
    if dialect.type != "csv" or not start.decode(dialect.encoding, "ignore").lower().startswith(
        DELIMITER_LINE
    ):
        return
    declared = (before.peek() or "")[len(DELIMITER_LINE) :]
    if declared != dialect.delimiter:
        raise HeaderError(
            "header-malformed",
            f"the first line says that the delimiter is {declared!r}, but the dataset's is {dialect.delimiter!r}; "
            "correct 'delimiter' of its format, or the file",
        )
    before.skip(1)


def _read_first(
    stream: Rejoined, dialect: FileFormat, begin: _Place, max_record_bytes: int
) -> Header:
    """Read the header that is the first record from here on, and pass the lines below it that are none."""
    # No name is ever NULL. What was found is the header.
    plain = dialect.model_copy(
        update={"null": [], **({"comment": None} if dialect.header.find is not None else {})}
    )
    # Whether a CR ends records is known by the header.
    first = _find_first(stream, plain, begin, max_record_bytes, cr_ends_records=True)
    if first is None:
        raise SourceError(
            "source-empty", "the source holds no header and no record; send the whole file"
        )
    below = _skip_below(stream, dialect, begin, first, max_record_bytes)
    return Header(
        _names(first.record),
        below.position,
        below.line_number,
        dialect.encoding,
        first.ends_with_cr,
        first.line,
        first.record.line_number,
    )


def _read_keys(
    stream: Rejoined, dialect: FileFormat, begin: _Place, max_record_bytes: int
) -> Header:
    """Return the keys of the first record of JSON lines, which is a record all the same."""
    first = _find_first(stream, dialect, begin, max_record_bytes, cr_ends_records=False)
    if first is None:
        raise SourceError("source-empty", "the source holds no record; send the whole file")
    try:
        keys = keys_of(first.line.decode(dialect.text_encoding, "replace"))
    except JsonLineError as exc:
        raise HeaderError(
            "header-malformed", f"the first record (line {first.record.line_number}): {exc}"
        ) from exc
    return Header(
        keys,
        begin.position,
        begin.line_number,
        dialect.encoding,
        line=first.line,
        line_number=first.record.line_number,
    )


def _find_first(
    stream: ByteStream,
    dialect: FileFormat,
    begin: _Place,
    max_record_bytes: int,
    *,
    cr_ends_records: bool,
) -> First | None:
    """Return the first record from here on, None where there is none."""
    framer = Framer(
        Text(stream, start=begin.position),
        dialect,
        first_line=begin.line_number,
        max_record_bytes=max_record_bytes,
        block_bytes=_BLOCK_BYTES,
        cr_ends_records=cr_ends_records,
    )
    splitter = RecordSplitter(dialect, max_record_bytes=max_record_bytes)
    return next(filter(None, map(splitter.split_first, framer.blocks())), None)


def with_names(dialect: FileFormat, names: Sequence[str]) -> FileFormat:
    """Return the format with the names that its records are read by: of JSON lines, the keys of the first one."""
    if dialect.type == "csv" or dialect.header.lines == 0:
        return dialect
    header = dialect.header.model_copy(update={"lines": 0, "names": list(names)})
    return dialect.model_copy(update={"header": header})


def _skip_below(
    stream: Rejoined, dialect: FileFormat, begin: _Place, first: First, max_record_bytes: int
) -> _Place:
    """Return where the records begin, behind the header and the lines to be skipped below it."""
    if not dialect.header.skip_after:
        return _Place(first.byte_end, first.next_line)
    ends = line_ends_of(dialect.line_end, cr_ends_records=first.ends_with_cr)
    rest = stream.again_from(first.byte_end - begin.position)
    below = Preamble(rest, dialect.text_encoding, ends, max_record_bytes)
    below.skip(dialect.header.skip_after)
    return _Place(first.byte_end + below.passed, first.next_line + below.lines)


def _without_header(stream: Rejoined, dialect: FileFormat, begin: _Place) -> Header:
    """Return the names that the format gives; that a lone CR ends records is seen where the start has no LF at all."""
    probed = _read_up_to(stream, _PROBED_BYTES)
    return Header(
        tuple(dialect.header.names),
        begin.position,
        begin.line_number,
        dialect.encoding,
        cr_ends_records=b"\r" in probed and b"\n" not in probed,
    )


def _refuse_foreign_mark(start: bytes, encoding: str) -> None:
    """Raise where the file begins with the byte order mark of another encoding."""
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    if marked is None or encoding.startswith(marked):
        return
    cure = "convert the file to utf-8" if marked == "utf-32" else f"set its encoding to {marked}"
    raise HeaderError(
        "header-malformed",
        f"the file begins with the byte order mark of {marked}, but the dataset's encoding is {encoding}; {cure}, or "
        "ask the sender for the encoding that was agreed",
    )


def _names(record: Record) -> tuple[str, ...]:
    """Return the header's cells as text, or raise when it is not well-formed."""
    if record.fault is not None:
        wide = _looks_wide(record.raw)
        cause = f"it looks like {wide} without a mark; set the dataset's encoding to that"
        raise HeaderError(
            "header-malformed",
            f"the header (line {record.line_number}) cannot be read: {cause if wide else record.fault.message}",
        )
    return tuple("" if cell is None else cell.decode() for cell in record.cells)


def _looks_wide(raw: bytes) -> str | None:
    """Name the UTF-16 that bytes are likely to be: each other one is NUL."""
    halves = {"utf-16-le": raw[1::2], "utf-16-be": raw[::2]}
    return next((name for name, half in halves.items() if half and not any(half)), None)


def _read_up_to(stream: ByteStream, size: int) -> bytes:
    """Read at least `size` bytes, or fewer at the end of the stream."""
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data
