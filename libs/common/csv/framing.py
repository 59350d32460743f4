"""Find where records begin and end in a stream of bytes: the first step of every load.

    bytes ──frames──► blocks of frames ──records──► cells ──loader──► Postgres

A record ends at LF or CRLF outside quotes, in a file whose header ends with a lone CR also at CR, or where `line_end`
of the format says; a blank line is no record, nor is a comment, which ends with its line. Physical lines end at the
same bytes, inside quotes too. After a backslash no byte means itself, where that is the `escape`. Damage stays local:

- a lone CR outside quotes, where it ends no record, ends its record at that line's end;
- a quote inside an unquoted cell, or text after a closing quote, ends its record at that line's end;
- a record longer than the cap ends at the first line end at or after the cap, quoted or not; as much of it is kept
  as is asked for, the cap at least;
- a quote that never closes takes the rest of the file, up to that cap.

Memory is bounded by the block size, the cap and what is kept. The result does not depend on how the stream is cut into
reads. All bytes below 128 mean themselves in a `Text`, so no decoding is needed here; the cap counts its bytes,
while offsets are always those of the file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from libs.common.csv.block import Block, Frame
from libs.common.csv.cell_patterns import body_pattern, line_pattern
from libs.common.csv.dialect import FileFormat
from libs.common.csv.line_ends import LineEnds, line_ends_of, whole_lines
from libs.common.csv.text import Text
from libs.common.enums import ErrorCode

if TYPE_CHECKING:
    from libs.common.csv.line_scanner import Lines

BLOCK_BYTES = 1 << 20
MAX_RECORD_BYTES = 1 << 20

_CR = 13
_END_MARK = b"\x1a"
"""A Ctrl-Z: where DOS ends texts. As the last record of a file it is none."""


class FindLines(Protocol):
    """Find the records of some bytes at once, which end with `newline`, or return None: see `find_lines`."""

    def __call__(self, data: bytes, newline: bytes, *, may_go_on: bool) -> "Lines | None":
        """Return the whole records at the start, all but one that may go on behind the bytes."""
        ...


@dataclass(slots=True)
class Framer:
    """Cut a text into blocks of frames.

    `find_lines` may find records at once where all are sound.
    Of a record longer than the cap `kept_record_bytes` are kept, or the cap if that is more.
    `cr_ends_records` says that a lone CR ends records and lines too: see `Header`.
    """

    text: Text
    dialect: FileFormat
    first_line: int = 1
    max_record_bytes: int = MAX_RECORD_BYTES
    block_bytes: int = BLOCK_BYTES
    find_lines: FindLines | None = None
    cr_ends_records: bool = False
    kept_record_bytes: int = 0
    _marks: tuple[bytes, ...] = field(init=False)
    _comment: bytes = field(init=False)
    _has_end_mark: bool = field(init=False)
    _body: re.Pattern[bytes] = field(init=False)
    _line: re.Pattern[bytes] = field(init=False)
    _line_ends: LineEnds = field(init=False)
    _break: re.Pattern[bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Compile the dialect."""
        dialect = self.dialect
        self._marks = tuple(
            sign.encode() for sign in (dialect.quote, dialect.escape) if sign is not None
        )
        self._comment = (dialect.comment or "").encode()
        signs = (dialect.delimiter, dialect.quote, dialect.comment)
        self._has_end_mark = not any(sign and _END_MARK.decode() in sign for sign in signs)
        self._line_ends = line_ends_of(dialect.line_end, cr_ends_records=self.cr_ends_records)
        self._break = self._line_ends.pattern
        self._body = body_pattern(dialect, self._line_ends)
        # The common case; `_frame` looks at all others.
        self._line = line_pattern(dialect, self._line_ends)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks in file order until the text ends."""
        offset, line, rest, at_end = self.text.start, self.first_line, b"", False
        while not at_end:
            # Reading as much again as is left over keeps a long record's cost linear.
            more = self.text.read(max(self.block_bytes, len(rest)))
            at_end, buffer = not more, rest + more
            block = self._cut(buffer, offset, line, at_end=at_end)
            if block.data:
                yield block
            offset, line, rest = (
                offset + len(block.data),
                block.next_line,
                buffer[len(block.data) :],
            )
            if len(rest) > self.max_record_bytes + 1 and not at_end:
                block, offset, rest, at_end = self._overlong(rest, offset, line)
                yield block
                line, at_end = block.next_line, at_end and not rest

    def _cut(self, buffer: bytes, offset: int, line: int, *, at_end: bool) -> Block:
        """Make a block of the whole records at the start of `buffer`."""
        newline = self._line_ends.newline
        data = self._whole_lines(buffer, newline, at_end=at_end)
        lines, frames = None, None
        if self.find_lines is not None:
            lines = self.find_lines(data, newline, may_go_on=not at_end)
        if lines is not None:
            data = lines.data
        elif self._need_frames(buffer, at_end=at_end):
            frames = self._frames(buffer, at_end=at_end)
            if frames and self._is_end_mark(buffer[frames[-1].start :], at_end=at_end):
                frames.pop()
            data = buffer[: frames[-1].after if frames else 0]
        else:
            newline = b"\n" if newline == b"\r" else newline
            data = self._whole_lines(buffer, newline, at_end=at_end)
        start, end = self.text.place(offset), self.text.place(offset + len(data))
        next_line = line + (self._line_ends.count(data) if lines is None else lines.ends)
        ends, utf16 = self._line_ends, self.text.utf16
        return Block(start, line, data, frames, end, next_line, ends, newline, utf16, lines)

    def _whole_lines(self, buffer: bytes, newline: bytes, *, at_end: bool) -> bytes:
        """Return the lines of a buffer that have ended, if lines end so; the last one of all may have no end."""
        if not at_end:
            return whole_lines(buffer, newline)
        is_line = len(buffer) == 1 or buffer.endswith(newline, 0, -1)
        return buffer[:-1] if is_line and self._is_end_mark(buffer[-1:], at_end=True) else buffer

    def _is_end_mark(self, last: bytes, *, at_end: bool) -> bool:
        """Return whether the last record of what is read is the Ctrl-Z at the end of a file."""
        is_last = at_end and self.text.ends_with_file
        return is_last and self._has_end_mark and last == _END_MARK

    def _need_frames(self, buffer: bytes, *, at_end: bool) -> bool:
        """Return whether a record may end elsewhere than at an LF: there are quotes or lone returns."""
        if any(mark in buffer for mark in self._marks):
            return True
        # The LF of a return at the very end may be in the next read.
        may_go_on = not at_end and buffer.endswith(b"\r")
        return not self._line_ends.are_feeds(buffer[:-1] if may_go_on else buffer)

    def _frames(self, buffer: bytes, *, at_end: bool) -> list[Frame]:
        """Frame record after record, blank lines included, until one may go on past the buffer."""
        frames: list[Frame] = []
        position, length, cap, match = 0, len(buffer), self.max_record_bytes, self._line.match
        while position < length:
            found = match(buffer, position)
            if found and found.start(1) - position <= cap:
                frame: Frame | None = Frame(position, found.start(1), found.end(), None)
            else:
                frame = self._frame(buffer, position, at_end=at_end)
            if frame is None:
                break
            frames.append(frame)
            position = frame.after
        return frames

    def _frame(self, buffer: bytes, start: int, *, at_end: bool) -> Frame | None:
        """Frame the record at `start`, or return None when its end is not in the buffer yet."""
        match = self._body.match(buffer, start)
        end, fault = match.end() if match else start, None
        if self._comment and buffer.startswith(self._comment, start):
            end = self._next_break(buffer, start)
        elif end < len(buffer) and not self._break.match(buffer, end):
            if not at_end and self._may_be_escaped(buffer, end):
                return None
            end, fault = self._end_damage(buffer, end, match)
        if end - start > self.max_record_bytes:
            fault = ErrorCode.LINE_TOO_LONG
            end = self._next_break(buffer, start + self.max_record_bytes)
        found = self._break.match(buffer, end)
        after = found.end() if found else end
        if not at_end and (end == len(buffer) or (after == len(buffer) and buffer[-1] == _CR)):
            return None  # the next byte may belong to it: a quote, a delimiter, the LF of a CRLF
        return Frame(start, end, after, fault)

    def _may_be_escaped(self, buffer: bytes, end: int) -> bool:
        """Return whether cells break off at a backslash, whose character has not been read yet."""
        return self.dialect.escape is not None and buffer[end:] == self.dialect.escape.encode()

    def _end_damage(
        self, buffer: bytes, place: int, cells: re.Match[bytes] | None
    ) -> tuple[int, ErrorCode]:
        """Return where a record ends whose cells break off at `place`, and why they do."""
        if buffer[place] == _CR:
            return self._next_break(buffer, place), ErrorCode.BARE_CARRIAGE_RETURN
        opens = cells is not None and cells.start(cells.lastindex or 1) == place
        quote = self.dialect.quote
        never_closed = opens and quote is not None and buffer[place] == ord(quote)
        end = len(buffer) if never_closed else self._next_break(buffer, place)
        return end, ErrorCode.MALFORMED_QUOTE

    def _next_break(self, buffer: bytes, position: int) -> int:
        """Return where the next line end begins, or the buffer's length."""
        found = self._break.search(buffer, position)
        return found.start() if found else len(buffer)

    def _overlong(self, rest: bytes, offset: int, line: int) -> tuple[Block, int, bytes, bool]:
        """Make a block of the record at the start of `rest`, whose end is past the cap and the buffer.

        Only what is kept of it is in the block; its frame goes on beyond that. Returns the block, the position
        behind the record, what was read beyond it, and whether the stream has ended.
        """
        begin = self.text.place(offset)
        cap = self.max_record_bytes
        kept = max(cap, self.kept_record_bytes)
        head, tail, skipped, at_end = rest[:cap], rest[cap:], cap, False
        around = self._line_ends.count_around(head, tail)
        data = bytearray(head)
        while True:
            found = self._break.search(tail)
            if found and (at_end or found.group() != b"\r" or found.end() < len(tail)):
                break
            # A return at the very end may be the start of a line end.
            may_end = not at_end and tail.endswith(b"\r")
            keep = tail[found.start() :] if found else b"\r" * may_end
            passed = len(tail) - len(keep)
            data += tail[: min(passed, kept - len(data))]
            skipped += passed
            self.text.place(offset + skipped)
            if at_end:
                break
            more = self.text.read(self.block_bytes)
            at_end, tail = not more, keep + more
        end = skipped + (found.start() if found else 0)
        data += tail[: min(end - skipped, kept - len(data))]
        after = skipped + (found.end() if found else 0)
        lines = self._line_ends.count(head) + (found is not None) + around
        frame = Frame(0, end, after, ErrorCode.LINE_TOO_LONG)
        block = Block(
            begin,
            line,
            bytes(data),
            [frame],
            self.text.place(offset + after),
            line + lines,
            self._line_ends,
            utf16=self.text.utf16,
        )
        return block, offset + after, tail[found.end() :] if found else b"", at_end
