"""Put small blocks together, as those of many small files are: a COPY of its own costs more than its rows."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from libs.common.csv.block import Block
from services.loader.blocks.prepared_block import Prepared

_SMALL_BYTES = 1 << 18
_MOST_BYTES = 1 << 20
_MOST_BLOCKS = 256


class ReadBlock(NamedTuple):
    """A block, prepared where that is possible, with the bytes of its source that were read so far."""

    block: Block
    prepared: Prepared | None
    bytes_done: int


def join_small(blocks: Iterable[ReadBlock]) -> Iterator[list[ReadBlock]]:
    """Yield the blocks in order, together where they are small and all of their rows are certain."""
    together: list[ReadBlock] = []
    size = 0
    for read in blocks:
        may_join = _is_small(read)
        if together and (not may_join or size >= _MOST_BYTES or len(together) == _MOST_BLOCKS):
            yield together
            together, size = [], 0
        if may_join:
            together.append(read)
            size += len(read.block.data)
        else:
            yield [read]
    if together:
        yield together


def _is_small(read: ReadBlock) -> bool:
    is_certain = read.prepared is not None and read.prepared.is_certain
    return is_certain and len(read.block.data) < _SMALL_BYTES
