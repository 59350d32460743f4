"""What became of the lines of a block."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from libs.common.compiled.words import Numbers
from libs.common.csv.line_scanner import Positions
from libs.common.postgres.copy.rows import Rows

TypeCheckCell: TypeAlias = tuple[int, int, str]
"""A cell that is no certain value: the line of the block, the column's place in the header, the text."""


@dataclass(frozen=True, slots=True)
class TypeCheckCells:
    """Cells that are no certain values: on line `lines[i]` of the block stands ``distinct[which[i]]``, column and text.

    Feeds repeat their mistakes: a text that stands often in a column is kept, and asked about, once.
    """

    lines: Positions
    which: Numbers
    distinct: list[tuple[int, str]]

    @classmethod
    def of(cls, cells: Iterable[TypeCheckCell]) -> Self:
        """Put cells together."""
        known: dict[tuple[int, str], int] = {}
        lines, which = list[int](), list[int]()
        for line, column, text in cells:
            lines.append(line)
            which.append(known.setdefault((column, text), len(known)))
        return cls(np.array(lines, np.int64), np.array(which, np.int64), list(known))

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.lines)

    def __iter__(self) -> Iterator[TypeCheckCell]:
        """Yield each cell."""
        for line, which in zip(self.lines.tolist(), self.which.tolist(), strict=True):
            yield (line, *self.distinct[which])

    def keep(self, chosen: npt.NDArray[np.bool_]) -> "TypeCheckCells":
        """Return the chosen cells."""
        used, which = np.unique(self.which[chosen], return_inverse=True)
        distinct = [self.distinct[place] for place in used.tolist()]
        return TypeCheckCells(self.lines[chosen], which, distinct)


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of the lines of a block.

    `doubtful` are the lines of `type_check_cells`; `wrong_width` has lines of another number of cells, which are
    `wrong_width_counts`.
    """

    certain: Rows
    suspected: Rows
    type_check_cells: TypeCheckCells
    doubtful: Positions
    wrong_width: Positions
    wrong_width_counts: Numbers
