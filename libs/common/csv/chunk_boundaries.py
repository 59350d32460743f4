"""Cut a source into chunks at record boundaries, without splitting records: the worker's part of the flow."""

from typing import NamedTuple, Protocol

import numpy as np

from libs.common.csv.block import Block
from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import BLOCK_BYTES, MAX_RECORD_BYTES, Framer
from libs.common.csv.line_scanner import Lines, find_lines
from libs.common.csv.text import Text


class Boundary(NamedTuple):
    """Where a record begins, and with it perhaps a chunk."""

    byte_offset: int
    line_number: int


class Parts(Protocol):
    """Who follows the chunks while they are found, in the order of the file."""

    def cut(self, place: int, /) -> None:
        """A chunk begins at this offset, which ends the one before."""
        ...

    def settle(self, place: int, /) -> None:
        """Before this offset no other chunk begins."""
        ...


def find_boundaries(
    text: Text,
    dialect: FileFormat,
    chunk_bytes: int,
    *,
    first_line: int = 1,
    max_record_bytes: int = MAX_RECORD_BYTES,
    block_bytes: int = BLOCK_BYTES,
    cr_ends_records: bool = False,
    parts: Parts | None = None,
) -> list[Boundary]:
    """List where chunks of about `chunk_bytes` begin, the first where the text does.

    That is behind the header, with its `next_line` and `cr_ends_records`. Records are only
    framed, not split; each boundary but the first is where a record (or a blank line) begins, so a chunk is never
    empty of bytes.
    """

    def find(data: bytes, newline: bytes, *, may_go_on: bool) -> Lines | None:
        lines = find_lines(data, dialect, newline, may_go_on=may_go_on)
        # A record beyond the cap may end earlier, at a line end in one of its cells.
        return None if lines is None or lines.longest > max_record_bytes else lines

    boundaries: list[Boundary] = []

    def begin(boundary: Boundary) -> None:
        boundaries.append(boundary)
        if parts is not None:
            parts.cut(boundary.byte_offset)

    begin(Boundary(text.start, first_line))
    framer = Framer(
        text,
        dialect,
        first_line,
        max_record_bytes,
        block_bytes,
        find,
        cr_ends_records,
    )
    for block in framer.blocks():
        while (wanted := boundaries[-1].byte_offset + chunk_bytes) < block.byte_end:
            boundary = _first_start(block, wanted)
            if boundary is None:
                break  # the block after this one, if there is one, begins with a boundary
            begin(boundary)
        if parts is not None:
            parts.settle(block.byte_end)
    return boundaries


def _first_start(block: Block, offset: int) -> Boundary | None:
    """Return where the first record of a block at or after `offset` begins."""
    wanted = block.position_at(offset)
    if wanted <= 0:
        return Boundary(block.byte_offset, block.line_number)
    if block.lines is not None:
        starts = block.lines.starts
        start = int(starts[min(int(np.searchsorted(starts, wanted)), len(starts) - 1)])
    elif block.frames is None:
        size = len(block.newline)
        found = block.data.find(block.newline, max(0, wanted - size))
        start = found + size if found >= 0 else 0
    else:
        start = next((frame.start for frame in block.frames if frame.start >= wanted), 0)
    if not 0 < start < len(block.data):
        return None
    line = block.line_number + block.count_breaks(0, start)
    return Boundary(block.offset_of(start), line)
