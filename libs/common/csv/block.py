"""Bytes of a stream that are whole records."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from libs.common.csv.line_ends import AUTO, LineEnds
from libs.common.csv.utf16 import OffsetMap, as_utf8, restore
from libs.common.enums import ErrorCode

if TYPE_CHECKING:
    from libs.common.csv.line_scanner import Lines


class Frame(NamedTuple):
    """One record in a block: where its bytes begin and end, where the next begins, and its damage."""

    start: int
    end: int
    after: int
    fault: ErrorCode | None


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records that are adjacent; `lines` has them where they were found at once, `frames` where one by one.

    Without either each line up to `newline` is a record: that is LF, also of CRLF, CRLF alone, or CR.

    `byte_offset` and `line_number` (from 1) tell where `data` begins in the decompressed source;
    `byte_end` and `next_line` where the block after it begins. `utf16`: the source's encoding where `data` is UTF-8
    made of that (`text`).
    """

    byte_offset: int
    line_number: int
    data: bytes
    frames: list[Frame] | None
    byte_end: int
    next_line: int
    line_ends: LineEnds = AUTO
    newline: bytes = b"\n"
    utf16: str | None = None
    lines: "Lines | None" = None

    def count_breaks(self, start: int, end: int) -> int:
        """Count the line ends in a part of `data`."""
        return self.line_ends.count(self.data[start:end])

    def offset_of(self, position: int) -> int:
        """Return the offset in the source of a position in `data`."""
        if self.utf16 is None:
            return self.byte_offset + position
        return OffsetMap(self.data, 0, self.byte_offset, self.utf16).place(position)

    def position_at(self, offset: int) -> int:
        """Return the first position in `data` at or behind an offset in the source; none is beyond its end."""
        wanted = max(0, offset - self.byte_offset)
        if self.utf16 is None:
            return wanted
        stored = restore(self.data, self.utf16)
        return len(as_utf8(stored[: wanted + wanted % 2], self.utf16))
