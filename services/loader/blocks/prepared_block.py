"""A block that is ready to be written: certain rows, and what is set apart for Postgres to judge."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from libs.common.csv.block import Block, Frame
from libs.common.csv.line_scanner import Lines, Positions
from libs.common.csv.records import Record
from libs.common.csv.skipped_records import Skip
from libs.common.postgres.copy.encoded_block import TypeCheckCells
from libs.common.postgres.copy.rows import Rows
from services.loader.cells.record_shape import Splitter
from services.loader.rejects.line_rejections import LineRejections


@dataclass(frozen=True, slots=True)
class Prepared:
    """A block as rows; every line that is not in `certain` is in one of the others.

    `encoded` is what the COPY of the certain rows takes. Postgres is asked about `type_check_cells`, as they are after
    their conversions, of the lines `doubtful`; `malformed` are no records of their header, or have a
    cell that cannot be converted. `skipped` counts lines that are no records. `splitter` reads single lines.
    """

    block: Block
    lines: Lines
    certain: Rows
    encoded: bytes
    suspected: Rows
    type_check_cells: TypeCheckCells
    doubtful: Positions
    malformed: LineRejections
    skipped: Counter[Skip]
    splitter: Splitter

    @property
    def count(self) -> int:
        """Return the number of records."""
        return len(self.lines) - self.skipped.total()

    @property
    def is_certain(self) -> bool:
        """Return whether all records are rows that nothing has to be asked about."""
        return not (len(self.suspected) or len(self.doubtful) or len(self.malformed))

    def records(self, lines: Sequence[int]) -> list[Record]:
        """Return lines of the block as records."""
        block, found = self.block, list[Record]()
        begins, texts = self.lines.texts(lines)
        numbers = self.lines.number(np.array(lines, np.int64)).tolist()
        for line, begin, text in zip(numbers, begins, texts, strict=True):
            offset, number = block.byte_offset + begin, block.line_number + line
            frames = [Frame(0, len(text), len(text), None)]
            one = Block(offset, number, text, frames, offset + len(text), number + 1)
            found += self.splitter.split(one)
        return found
