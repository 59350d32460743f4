"""Cut a source into chunks at record boundaries, without splitting records: the worker's part of the flow."""

from typing import NamedTuple

from libs.common.datasets import FileFormat
from libs.common.frames import (
    BLOCK_BYTES,
    MAX_RECORD_BYTES,
    Block,
    ByteStream,
    Framer,
    count_breaks,
)
from libs.common.lines import find_lines


class Boundary(NamedTuple):
    """Where a record begins, and with it perhaps a chunk."""

    byte_offset: int
    line_number: int


def find_boundaries(
    stream: ByteStream,
    dialect: FileFormat,
    chunk_bytes: int,
    *,
    first_line: int = 1,
    first_offset: int = 0,
    max_record_bytes: int = MAX_RECORD_BYTES,
    block_bytes: int = BLOCK_BYTES,
) -> list[Boundary]:
    """List where chunks of about `chunk_bytes` begin, the first at `first_offset`.

    Pass the header's `byte_end` and `next_line` with the stream standing there. Records are only framed, not
    split; each boundary but the first is where a record (or a blank line) begins, so a chunk is never empty
    of bytes.
    """
    boundaries = [Boundary(first_offset, first_line)]
    framer = Framer(
        stream,
        dialect,
        first_line,
        first_offset,
        None,
        max_record_bytes,
        block_bytes,
        lambda data: find_lines(data, dialect) is not None,
    )
    for block in framer.blocks():
        while (wanted := boundaries[-1].byte_offset + chunk_bytes) < block.byte_end:
            boundary = _first_start(block, wanted)
            if boundary is None:
                break  # the block after this one, if there is one, begins with a boundary
            boundaries.append(boundary)
    return boundaries


def _first_start(block: Block, offset: int) -> Boundary | None:
    """Return where the first record of a block at or after `offset` begins."""
    wanted = offset - block.byte_offset
    if wanted <= 0:
        return Boundary(block.byte_offset, block.line_number)
    if block.frames is None:
        start = block.data.find(b"\n", wanted - 1) + 1
    else:
        start = next((frame.start for frame in block.frames if frame.start >= wanted), 0)
    if not 0 < start < len(block.data):
        return None
    line = block.line_number + count_breaks(block.data[:start])
    return Boundary(block.byte_offset + start, line)
