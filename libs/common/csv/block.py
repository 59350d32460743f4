"""Bytes of a stream that are whole records."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from libs.common.csv.line_ends import AUTO, LineEnds
from libs.common.csv.utf16 import OffsetMap
from libs.common.enums import ErrorCode


class ByteStream(Protocol):
    """What frames are read from: `read` returns about `size` bytes, and none only at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        ...


class Frame(NamedTuple):
    """One record in a block: where its bytes begin and end, where the next begins, and its damage."""

    start: int
    end: int
    after: int
    fault: ErrorCode | None


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records that are adjacent; `frames` is None when each line up to `newline` is one of them.

    That is LF, also of CRLF, CRLF alone, or CR.

    Such lines may hold quotes only where the framer was given `count_ends`.

    `byte_offset` and `line_number` (from 1) tell where `data` begins in the decompressed source;
    `byte_end` and `next_line` where the block after it begins.
    """

    byte_offset: int
    line_number: int
    data: bytes
    frames: list[Frame] | None
    byte_end: int
    next_line: int
    line_ends: LineEnds = AUTO
    newline: bytes = b"\n"

    def count_breaks(self, start: int, end: int) -> int:
        """Count the line ends in a part of `data`."""
        return self.line_ends.count(self.data[start:end])

    def place(self, position: int, wide: str | None) -> int:
        """Return the offset of a position in `data`; `wide` is the file's encoding if that is UTF-16."""
        if wide is None:
            return self.byte_offset + position
        return OffsetMap(self.data, 0, self.byte_offset, wide).place(position)
