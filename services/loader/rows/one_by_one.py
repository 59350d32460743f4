"""Write records each by a statement of its own, where one over many could end otherwise.

Where that shows nothing to anybody (`target.may_write_twice`), those that go well share savepoints. One that is kept is
a subtransaction: a number of the server's, and past 64 of them in a load each session has to look them up. But when a
row is refused, those before it under the same savepoint have to be written again. So one row more shares the next
savepoint each time, and one alone comes after a refusal: where one row in n is refused there are 1.4 √n savepoints to
n rows, and 0.7 √n of these are written twice.
"""

from collections.abc import Sequence

from libs.common.csv.records import Record
from services.loader.blocks.slice_filter import SliceGate
from services.loader.rejects.rejection import RejectedRecord
from services.loader.rows.row_writer import OnProgress, RowWriter
from services.loader.rows.single_insert import SingleRowWriter

MOST_TOGETHER = 250
"""So many records at most share a savepoint: whoever cancels a load waits for them."""


class OneByOneWriter(RowWriter):
    """Write records one by one."""

    def __init__(
        self, single_row: SingleRowWriter, most_together: int, gate: SliceGate | None = None
    ) -> None:
        """Write by single inserts, at most so many under one savepoint; `gate` keeps some records back."""
        super().__init__(gate)
        self._single_row = single_row
        self._most = most_together
        self._window = 1

    def _load(
        self, records: Sequence[Record], refused: list[RejectedRecord], on_progress: OnProgress
    ) -> None:
        """Do what `RowWriter` says."""
        position = 0
        while position < len(records):
            through, found = self._write(records[position : position + self._window])
            position += through
            refused += found
            on_progress(position, refused)

    def _write(self, block: Sequence[Record]) -> tuple[int, list[RejectedRecord]]:
        """Write the first of some records, up to one that is rejected; return how many, and those rejected."""
        done = self._single_row.insert_each(block)
        if done.rejection is None:
            self._window = min(self._window + 1, self._most)
            return len(block), []
        if done.is_undone and done.taken:
            again, rejected = self._write(block[: done.taken])
            if rejected:  # by what others have written meanwhile: what follows is judged anew
                return again, rejected
        self._window = 1
        return done.taken + 1, [(block[done.taken], done.rejection)]
