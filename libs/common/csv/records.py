"""Split a stream into records: cells as UTF-8 bytes, with the place and the raw bytes of each.

Stands between `framing` (where a record ends) and the loader (what Postgres says to it). A record that is not
well-formed comes out with a fault instead of cells; when several apply, the first of this list is named:
`line-too-long`, `malformed-quote` or `bare-carriage-return` (what stands first), `encoding-error`, then
`missing-cell` or `extra-cell`.

Blocks of a UTF-16 file are UTF-8; their records get the places and the bytes that they have in the file in the end.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

from libs.common.csv import parse_errors
from libs.common.csv.block import Block, Frame
from libs.common.csv.cells import Cells, CellSplitter, with_nulls
from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import MAX_RECORD_BYTES, Framer
from libs.common.csv.json_lines import JsonLineError, JsonSplitter
from libs.common.csv.line_ends import line_ends_of
from libs.common.csv.parse_errors import ParseError
from libs.common.csv.skipped_records import Skip, SkippedRecords
from libs.common.csv.utf16 import OffsetMap, restore
from libs.common.enums import ErrorCode


class Record(NamedTuple):
    """One record of a source; `cells` are UTF-8, None for NULL, and empty when there is a fault.

    `line_number` is the physical line it starts on, from 1; `byte_offset` is that of its first byte in the
    decompressed source; `raw` is what stands there, without the line end: of a record above the cap perhaps its start.
    `is_changed` tells that `cells` are not those of `raw`, but what the dataset makes of them.
    """

    line_number: int
    byte_offset: int
    raw: bytes
    cells: Cells
    fault: ParseError | None = None
    is_changed: bool = False


class First(NamedTuple):
    """The first record of a text, the offset and the line of what stands after it, and whether a lone CR ends it.

    `line` are its bytes.
    """

    record: Record
    line: bytes
    byte_end: int
    next_line: int
    ends_with_cr: bool


class RecordSplitter:
    """Turn blocks into the records of one dialect.

    `width` is the number of cells that a record must have; None accepts any number. `skipped` counts what was read
    and is no record, for each reason.
    """

    def __init__(
        self,
        dialect: FileFormat,
        *,
        width: int | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
        kept_record_bytes: int = 0,
        skips: SkippedRecords | None = None,
    ) -> None:
        """Compile the dialect; of a record above the cap `kept_record_bytes` are kept, the cap at least."""
        self._encoding = dialect.text_encoding
        self._nulls = frozenset(text.encode() for text in dialect.null_texts)
        self._stored_nulls = _encode_known(dialect.null_texts, self._encoding)
        self._cells = CellSplitter(dialect)
        self._json = JsonSplitter(dialect.header.names) if dialect.type == "jsonl" else None
        self._marks = self._cells.marks
        self._delimiter = dialect.delimiter.encode()
        self._line_end = dialect.line_end
        self._trailing = dialect.trailing_delimiter
        self.skips = SkippedRecords(dialect) if skips is None else skips
        self.skipped: Counter[Skip] = Counter()
        self._width = width
        self._cap = max_record_bytes
        self._kept = max(max_record_bytes, kept_record_bytes)

    def split(self, block: Block) -> list[Record]:
        """Return the records of a block in file order."""
        is_sound = self._is_sound(block.data)
        is_plain = not (self.skips or any(mark in block.data for mark in self._marks))
        is_plain = is_plain and self._json is None
        if block.frames is None and is_sound and is_plain:
            records = self._split_lines(block)
        else:
            # An escape may stand for a NUL.
            is_sound = is_sound and not (self._cells.has_escapes and b"\\0" in block.data)
            is_sound = is_sound and self._json is None
            records = self._split_frames(block, is_sound=is_sound)
        return records if block.utf16 is None else _as_stored(records, block, block.utf16)

    def split_first(self, block: Block) -> First | None:
        """Return a block's first record with what it tells of those after it."""
        data, first_line = block.data, block.line_number
        for frame in block.frames if block.frames is not None else _line_frames(block):
            start, end, after, _ = frame
            if start < end and not self._is_skipped(frame, data[start:end]):
                ends_with_cr = data[end:after] == b"\r"
                ends = line_ends_of(self._line_end, cr_ends_records=ends_with_cr)
                before, up_to = (ends.count(data[:place]) for place in (start, after))
                record = self._record(
                    frame, data[start:end], first_line + before, block.byte_offset + start
                )
                return First(
                    record,
                    data[start:end],
                    block.offset_of(after),
                    first_line + up_to,
                    ends_with_cr,
                )
        return None

    def _is_skipped(self, frame: Frame, raw: bytes) -> bool:
        """Return whether this is no record, and count it then; a record beyond the cap may be cut."""
        is_whole = len(raw) == frame.end - frame.start
        reason = self.skips.reason(raw, is_whole=is_whole) if self.skips else None
        if reason is not None:
            self.skipped[reason] += 1
        return reason is not None

    def _is_sound(self, data: bytes) -> bool:
        """Return whether `data` is valid UTF-8 without a NUL, so that its cells need no second look."""
        if b"\0" in data:
            return False
        if data.isascii() or self._encoding != "utf-8":
            return data.isascii()
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
        return True

    def _split_lines(self, block: Block) -> list[Record]:
        """Split the common block: no quote, no lone carriage return, nothing to decode."""
        delimiter, nulls, width, cap = self._delimiter, self._nulls, self._width, self._cap
        trailing = self._trailing
        has_returns, size = block.newline == b"\n" and b"\r" in block.data, len(block.newline)
        records: list[Record] = []
        line, offset = block.line_number - 1, block.byte_offset
        for text in block.data.split(block.newline):
            line += 1
            raw = text.removesuffix(b"\r") if has_returns else text
            if raw:
                cells: Cells = with_nulls(raw.split(delimiter), nulls)
                if trailing and len(cells) > 1 and raw.endswith(delimiter):
                    cells.pop()
                if len(raw) <= cap and (width is None or len(cells) == width):
                    records.append(Record(line, offset, raw, cells))
                else:
                    after = min(len(text) + size, block.byte_offset + len(block.data) - offset)
                    records.append(self._record(Frame(0, len(raw), after, None), raw, line, offset))
            offset += len(text) + size
        return records

    def _split_frames(self, block: Block, *, is_sound: bool) -> list[Record]:
        """Split a block that needs a look at each record, at its bytes too unless they are sound."""
        data, line, width, cap = block.data, block.line_number, self._width, self._cap
        skips, split_cells, nulls = self.skips, self._cells.split, self._stored_nulls
        records: list[Record] = []
        for frame in block.frames if block.frames is not None else _line_frames(block):
            start, end, after, fault = frame
            raw = data[start:end]
            if start < end and not (skips and self._is_skipped(frame, raw)):
                offset = block.byte_offset + start
                if is_sound and fault is None and end - start <= cap:
                    cells = split_cells(raw, nulls)
                    if width is None or len(cells) == width:
                        records.append(Record(line, offset, raw, cells))
                    else:
                        records.append(self._record(frame, raw, line, offset))
                else:
                    records.append(self._record(frame, raw, line, offset))
            line += 1 if after > end else 0
            if b"\n" in raw or b"\r" in raw:
                line += block.count_breaks(start, after) - (after > end)
        return records

    def _record(self, frame: Frame, raw: bytes, line: int, offset: int) -> Record:
        """Make one record: with its cells when it is well-formed, else with its fault."""
        code = ErrorCode.LINE_TOO_LONG if len(raw) > self._cap else frame.fault
        if code is not None:
            kept = raw[: self._kept] if code is ErrorCode.LINE_TOO_LONG else raw
            fault = parse_errors.malformed(
                code, offset, offset + frame.after - frame.start, self._cap
            )
            is_cut = len(kept) < frame.end - frame.start
            return Record(line, offset, kept, [], fault._replace(is_cut=is_cut))
        if b"\0" in raw:
            return Record(line, offset, raw, [], parse_errors.nul_byte(offset + raw.index(b"\0")))
        try:
            cells = self._decode(raw)
        except (UnicodeDecodeError, JsonLineError) as exc:
            return Record(line, offset, raw, [], self._explain(exc, raw, offset))
        if any(cell and b"\0" in cell for cell in cells):  # it was escaped
            return Record(
                line,
                offset,
                raw,
                [],
                parse_errors.nul_byte(offset + max(0, raw.find(b"\\0"), raw.find(b"\\u0000"))),
            )
        if self._width is None or len(cells) == self._width:
            return Record(line, offset, raw, cells)
        return Record(line, offset, raw, [], parse_errors.wrong_count(len(cells), self._width))

    def _explain(
        self, exc: UnicodeDecodeError | JsonLineError, raw: bytes, offset: int
    ) -> ParseError:
        """Say why a record has no cells."""
        if isinstance(exc, JsonLineError):
            return parse_errors.no_json(exc.code, str(exc))
        found = raw[exc.start : exc.start + 1]
        return parse_errors.undecodable(found, offset + exc.start, self._encoding)

    def _decode(self, raw: bytes) -> Cells:
        """Cut a record into cells and turn them into UTF-8, or raise UnicodeDecodeError or JsonLineError."""
        if self._json is not None:
            return self._json.split(raw.decode(self._encoding))
        if raw.isascii():
            return self._cells.split(raw, self._stored_nulls)
        raw.decode(self._encoding)
        cells = self._cells.split(raw, self._stored_nulls)
        if self._encoding == "utf-8":
            return cells
        return [None if cell is None else cell.decode(self._encoding).encode() for cell in cells]


def _as_stored(records: list[Record], block: Block, encoding: str) -> list[Record]:
    """Give records of UTF-16 the places and bytes that they have in the file."""
    offsets, origin = (
        OffsetMap(block.data, block.byte_offset, block.byte_offset, encoding),
        block.byte_offset,
    )
    found: list[Record] = []
    for line, offset, raw, cells, fault, _ in records:
        begin, stored, found_fault = offsets.place(offset), restore(raw, encoding), fault
        if fault is not None and fault.places:
            beyond = fault.places[-1] > origin + len(
                block.data
            )  # the record was too long for a block
            end = block.byte_end if beyond else offsets.place(fault.places[-1])
            found_fault = fault._replace(places=(begin, end)[-len(fault.places) :])
            if fault.code is ErrorCode.ENCODING_ERROR and fault.words != parse_errors.NUL_WORDS:
                found_fault = parse_errors.undecodable(stored[end - begin :][:2], end, encoding)
        found.append(Record(line, begin, stored, cells, found_fault))
    return found


def _encode_known(texts: Iterable[str], encoding: str) -> frozenset[bytes]:
    """Return texts as they stand in a file; those that the encoding lacks cannot stand there."""
    found = set()
    for text in texts:
        with suppress(UnicodeEncodeError):
            found.add(text.encode(encoding))
    return frozenset(found)


def _line_frames(block: Block) -> Iterator[Frame]:
    """Frame the records of a block that are its lines, or were found at once."""
    if block.lines is not None:
        size, ending, starts = len(block.data), block.lines.ending, block.lines.starts.tolist()
        for begin, after in pairwise(starts):
            yield Frame(begin, after - ending, min(after, size), None)
        return
    data, start, may_have_returns = block.data, 0, block.newline == b"\n"
    size = len(block.newline)
    while start < len(data):
        found = data.find(block.newline, start)
        line_end = found if found >= 0 else len(data)
        end = line_end - (may_have_returns and data.endswith(b"\r", start, line_end))
        yield Frame(start, end, min(line_end + size, len(data)), None)
        start = line_end + size


def split(framer: Framer, *, width: int | None = None) -> Iterator[list[Record]]:
    """Yield the records of a stream in file order, a list for each block read."""
    splitter = RecordSplitter(
        framer.dialect,
        width=width,
        max_record_bytes=framer.max_record_bytes,
        kept_record_bytes=framer.kept_record_bytes,
    )
    for block in framer.blocks():
        records = splitter.split(block)
        if records:
            yield records
