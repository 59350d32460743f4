"""Write blocks of records; when a block breaks, narrow it down to the records that Postgres refuses.

The row path begins here, and blocks of the block path that cannot be settled as a whole end here.

Every record ends either in a block that Postgres took whole or inserted by itself, in file order. A broken COPY
says which line it stopped at; that is only a hint where to look, the single insert decides. Each step takes records
off the front or makes the next attempt strictly smaller, and attempts stay small while blocks keep
breaking, so the cost grows with the number of refused records and not with its square.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg2

from libs.common.csv.records import Record
from services.loader.blocks.slice_filter import SliceGate
from services.loader.rejects.rejection import RejectedRecord, may_be_row_error
from services.loader.rows.append import Writer
from services.loader.rows.row_writer import OnProgress, RowWriter
from services.loader.rows.single_insert import SingleRowWriter
from services.loader.savepoint import Savepoint

_SINGLY = 4
"""So few records are inserted one by one: an attempt with COPY would not be cheaper."""
_COPY_LINE = re.compile(r"^COPY .*?, line (\d+)", re.MULTILINE)


class RowsWithheld(Exception):
    """Fewer rows were written than sent: something in the database dropped some silently."""


class BisectingWriter(RowWriter):
    """Write records in blocks as large as goes well."""

    def __init__(
        self,
        writer: Writer,
        single_row: SingleRowWriter,
        savepoint: Savepoint,
        largest_window: int,
        gate: SliceGate | None = None,
    ) -> None:
        """Write at most `largest_window` records at a time; `gate` keeps some back."""
        super().__init__(gate)
        self._writer = writer
        self._single_row = single_row
        self._savepoint = savepoint
        self._largest = largest_window
        self._window = largest_window

    def _load(
        self, records: Sequence[Record], refused: list[RejectedRecord], on_progress: OnProgress
    ) -> None:
        """Do what `RowWriter` says."""
        suspects: list[int] = []  # where broken attempts stopped, the nearest last
        position, limit = 0, self._window
        while position < len(records):
            end = min(position + limit, suspects[-1] if suspects else len(records))
            block = records[position:end]
            block = block[: self._writer.batch_limit(block)]
            if end == position:
                block = records[position : position + 1]
                refused += self._insert_each(block)
                suspects.pop()
            elif len(block) <= _SINGLY:
                refused += self._judge_each(block)
            elif (broken := self._try_write(block)) is not None:
                limit = self._shrink(len(block), broken)
                if broken.hint is not None:
                    suspects.append(position + broken.hint)
                continue
            position += len(block)
            limit = self._window
            on_progress(position, refused)

    def _judge_each(self, block: Sequence[Record]) -> list[RejectedRecord]:
        """Insert a few records; refusals keep the next attempts small."""
        refused = self._insert_each(block)
        if len(refused) == 0:
            self._grow(len(block))
        elif len(refused) == len(block):
            self._window = max(1, self._window // 2)
        return refused

    def _insert_each(self, block: Sequence[Record]) -> list[RejectedRecord]:
        """Insert records one by one; return those refused."""
        insert = self._single_row.insert
        return [(record, why) for record in block if (why := insert(record)) is not None]

    def _try_write(self, block: Sequence[Record]) -> "_Broken | None":
        """Write a block; on an error of some row undo it and return where to look, else None."""
        try:
            with self._savepoint:
                if self._writer.write_many(block) != len(block):
                    raise RowsWithheld
        except RowsWithheld:
            return _Broken(None)
        except psycopg2.Error as exc:
            # What is no row's error after all, the single insert raises again; a key that stands twice (21000) is one.
            if not may_be_row_error(exc.pgcode):
                raise
            return _Broken(_hint(exc, len(block)))
        self._grow(len(block))
        return None

    def _grow(self, size: int) -> None:
        """Dare twice as much as what just went well."""
        self._window = min(max(self._window, size * 2), self._largest)

    def _shrink(self, size: int, broken: "_Broken") -> int:
        """Make the attempts to come smaller; return the limit of the next one."""
        self._window = max(1, min(self._window, size) // 2)
        return size if broken.hint is not None else size // 2


@dataclass(frozen=True, slots=True)
class _Broken:
    """An attempt that failed; `hint` is the place of the record it stopped at, if it said so."""

    hint: int | None


def _hint(error: psycopg2.Error, size: int) -> int | None:
    """Read the place of a record from the context of a broken COPY."""
    found = _COPY_LINE.search(error.diag.context or "")
    place = int(found.group(1)) - 1 if found else -1
    return place if 0 <= place < size else None
