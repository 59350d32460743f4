"""Say where the fields of a row come from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Where the fields of a row come from.

    `owners` has the column of each cell, -1 for one that is left out. Then come so many fields that are the same in all
    rows, then the line in `line_sizes` bytes each.
    """

    owners: tuple[int, ...]
    same: int = 0
    line_sizes: tuple[int, ...] = ()

    def count_columns(self) -> int:
        """Return how many fields a row has."""
        cells = sum(owner >= 0 for owner in self.owners)
        return cells + self.same + len(self.line_sizes)
