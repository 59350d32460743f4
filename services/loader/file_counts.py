"""Count what becomes of the records of each file of a load over several."""

from collections import Counter
from collections.abc import Iterable

from services.loader.leasing.chunk_ends import RowCounts


class FileTally:
    """What is counted file by file; nothing for a job of one file, whose counts are those of its chunk."""

    def __init__(self, numbers: Iterable[int]) -> None:
        """Count for the files with these numbers, each once it is over."""
        self._numbers = tuple(numbers)
        self.forget()

    def forget(self) -> None:
        """Start again from the first file."""
        self._accepted = 0
        self._superseded = 0
        self._counts: dict[int, tuple[int, int]] = {}

    @property
    def counts_files(self) -> bool:
        """Return whether files have counts of their own."""
        return bool(self._numbers)

    def close(self, number: int, *, accepted: int, superseded: int) -> None:
        """Note the load's totals of accepted and superseded records, when the records of a file are written.

        A record whose key stands in an earlier file counts as superseded here, in the file of the later one.
        """
        self._counts[number] = (accepted - self._accepted, superseded - self._superseded)
        self._accepted, self._superseded = accepted, superseded

    def by_file(self, rejected: Counter[int]) -> dict[int, RowCounts]:
        """Return the counts of each file, given those of its failed rows."""
        found = {}
        for number in self._numbers:
            accepted, superseded = self._counts.get(number, (0, 0))
            found[number] = RowCounts(accepted - superseded, rejected[number], superseded)
        return found
