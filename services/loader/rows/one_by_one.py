"""Write records each by a statement of its own: a trigger may look at the rows before.

Those that go well share savepoints. One that is kept is a subtransaction: a number of the server's, and past 64 of them
in a load each session has to look them up. But when a row is refused, those before it under the same savepoint have to
be written again. So one row more shares the next savepoint each time, and one alone comes after a refusal: where one
row in n is refused there are 1.4 √n savepoints to n rows, and 0.7 √n of these are written twice.
"""

from collections.abc import Sequence

from libs.common.csv.records import Record
from services.loader.blocks.slice_filter import SliceGate
from services.loader.rejects.rejection import RejectedRecord
from services.loader.rows.bisection import OnProgress
from services.loader.rows.single_insert import SingleRowWriter

_MOST = 250
"""So many records at most share a savepoint: whoever cancels a load waits for them."""


class OneByOneWriter:
    """Write records one by one."""

    def __init__(self, single_row: SingleRowWriter, gate: SliceGate | None = None) -> None:
        """Write by single inserts; `gate` keeps some records back."""
        self._single_row = single_row
        self._gate = gate
        self._window = 1

    def load(self, records: Sequence[Record], on_progress: OnProgress) -> list[RejectedRecord]:
        """Write well-formed records; return those refused.

        `on_progress` hears after each step how many are through and which of them were refused; it may
        raise to stop the load.
        """
        refused: list[RejectedRecord] = []
        if self._gate is not None:
            records, refused = self._gate.part(records)
        position = 0
        while position < len(records):
            through, found = self._write(records[position : position + self._window])
            position += through
            refused += found
            on_progress(position, refused)
        return refused

    def _write(self, block: Sequence[Record]) -> tuple[int, list[RejectedRecord]]:
        """Write the first of some records, up to one that is refused; return how many, and those refused."""
        done = self._single_row.insert_each(block)
        if done.refusal is None:
            self._window = min(self._window + 1, _MOST)
            return len(block), [(block[place], why) for place, why in done.suppressed]
        self._window = 1
        through, refused = self._write(block[: done.through]) if done.through else (0, [])
        if (through, len(refused)) == (done.through, len(done.suppressed)):
            return through + 1, [*refused, (block[through], done.refusal)]
        # A trigger has decided otherwise this time: what follows is judged anew.
        return through, refused
