"""Cut a source into chunks at record boundaries, without splitting records: the worker's part of the flow."""

from collections.abc import Iterator
from typing import NamedTuple

from libs.common.csv.block import Block, ByteStream
from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import BLOCK_BYTES, MAX_RECORD_BYTES, Framer
from libs.common.csv.line_scanner import count_ends
from libs.common.csv.utf16 import ENCODINGS as WIDE_ENCODINGS
from libs.common.csv.utf16 import OffsetMap, with_byte_order


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
    cr_ends_records: bool = False,
) -> list[Boundary]:
    """List where chunks of about `chunk_bytes` begin, the first at `first_offset`.

    Pass the header's `byte_end`, `next_line` and `cr_ends_records` with the stream standing there. Records are only
    framed, not split; each boundary but the first is where a record (or a blank line) begins, so a chunk is never
    empty of bytes.
    """
    boundaries = [Boundary(first_offset, first_line)]
    is_wide = dialect.encoding in WIDE_ENCODINGS
    wide = with_byte_order(dialect.encoding, b"") if is_wide else None
    framer = Framer(
        stream,
        dialect,
        first_line,
        first_offset,
        None,
        max_record_bytes,
        block_bytes,
        None if is_wide else lambda data, newline: count_ends(data, dialect, newline),
        cr_ends_records,
    )
    for block in framer.blocks():
        while (wanted := boundaries[-1].byte_offset + chunk_bytes) < block.byte_end:
            boundary = (
                _first_wide_start(block, wanted, wide) if wide else _first_start(block, wanted)
            )
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
        size = len(block.newline)
        found = block.data.find(block.newline, max(0, wanted - size))
        start = found + size if found >= 0 else 0
    else:
        start = next((frame.start for frame in block.frames if frame.start >= wanted), 0)
    if not 0 < start < len(block.data):
        return None
    line = block.line_number + block.count_breaks(0, start)
    return Boundary(block.byte_offset + start, line)


def _first_wide_start(block: Block, offset: int, encoding: str) -> Boundary | None:
    """Return the same of a block of UTF-16, whose records are placed one after the other."""
    if offset <= block.byte_offset:
        return Boundary(block.byte_offset, block.line_number)
    offsets, line, before = (
        OffsetMap(block.data, 0, block.byte_offset, encoding),
        block.line_number,
        0,
    )
    for start in _starts(block):
        line += block.count_breaks(before, start)
        before, place = start, offsets.place(start)
        if place >= offset:
            return Boundary(place, line)
    return None


def _starts(block: Block) -> Iterator[int]:
    """Yield where records or blank lines begin in a block's data, the first one left out."""
    if block.frames is not None:
        yield from (frame.start for frame in block.frames[1:])
        return
    start = block.data.find(b"\n") + 1
    while 0 < start < len(block.data):
        yield start
        start = block.data.find(b"\n", start) + 1
