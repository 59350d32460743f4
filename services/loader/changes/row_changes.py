"""Count what a load changes in its table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What became of the rows of a table, those that a load leaves as they are among them."""

    inserted: int
    updated: int
    deleted: int
    unchanged: int

    @property
    def rows_before(self) -> int:
        """Return how many rows there were."""
        return self.deleted + self.updated + self.unchanged

    @property
    def rows_after(self) -> int:
        """Return how many rows there are."""
        return self.inserted + self.updated + self.unchanged
