"""What became of the lines of a block."""

from dataclasses import dataclass
from typing import TypeAlias

from libs.common.postgres.copy.rows import Rows

TypeCheckCell: TypeAlias = tuple[int, int, str]
"""A cell that is no certain value: the line of the block, the column's place in the header, the text."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of the lines of a block.

    `doubtful` are the lines of `type_check_cells`; `wrong_width` has lines of another number of cells, which are
    `wrong_width_counts`.
    """

    certain: Rows
    suspected: Rows
    type_check_cells: list[TypeCheckCell]
    doubtful: list[int]
    wrong_width: list[int]
    wrong_width_counts: list[int]
