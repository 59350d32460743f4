"""Write records into the target table, many at a time or one by itself: for every load mode.

`Appender` serves append and replace, `NewKeyAppender` an upsert that meets no rows, `upsert` has the one for others.
A writer does not handle errors: the bisection and the single insert do.
"""

from collections.abc import Sequence
from typing import Protocol

from psycopg2 import sql
from psycopg2.errors import ExclusionViolation, UniqueViolation

from libs.common.csv.records import Record
from libs.common.postgres.copy.statements import column_list, copy_in
from libs.common.postgres.copy.text import encode_records
from libs.common.postgres.target_table import TargetColumn, TargetTable
from services.loader.load_errors import RowsRepeated
from services.loader.savepoint import SavepointCursor

_READ_BYTES = 1 << 20


class Writer(Protocol):
    """One load mode's way into the target."""

    rows_superseded: int
    """Records written whose row a later record of the job has written over."""

    def batch_limit(self, records: Sequence[Record]) -> int:
        """Return how many of the first records one statement can write, at least 1."""
        ...

    def write_many(self, records: Sequence[Record]) -> int:
        """Write records in their order with few statements; return how many rows were written."""
        ...

    def write_one(self, record: Record) -> bool:
        """Insert one record by itself; return False when a trigger suppressed it."""
        ...

    def find_cell(self, record: Record, position: int) -> int | None:
        """Return the cell that stands at character `position` (from 1) of `write_one`'s statement."""
        ...


class RowInsert:
    """The INSERT of one record's text: the very statement that judges it.

    The cells are literals of unknown type, so that each is read by its column's own input function.
    """

    def __init__(self, cursor: SavepointCursor, head: sql.Composable, tail: str) -> None:
        """Put the statement together; the values go between `head` and `tail`."""
        self._cursor = cursor
        self._head = head.as_string(cursor)
        self._tail = tail

    def execute(self, records: Sequence[Record]) -> None:
        """Run the statement for one record or a few."""
        row = f"({', '.join(['%s'] * len(records[0].cells))})"
        cells = [None if cell is None else cell.decode() for r in records for cell in r.cells]
        values = self._cursor.mogrify(", ".join([row] * len(records)), cells).decode()
        self._cursor.execute(f"{self._head}{values}{self._tail}")

    def find_cell(self, record: Record, position: int) -> int | None:
        """Return the cell whose literal covers a character of the last statement, from 1."""
        end = self._cursor.prefix_length + len(self._head) + 1
        for index, cell in enumerate(record.cells):
            text = None if cell is None else cell.decode()
            start, end = end, end + len(self._cursor.mogrify("%s", (text,)).decode())
            if start < position <= end:
                return index
            end += len(", ")
        return None


class Appender:
    """Insert rows: COPY for many, INSERT for one."""

    rows_superseded = 0

    def __init__(
        self, cursor: SavepointCursor, table: TargetTable, columns: Sequence[TargetColumn]
    ) -> None:
        """Prepare the statements for these columns, in the order of the header."""
        self._cursor = cursor
        names = column_list(columns)
        self._copy = (
            sql.SQL("COPY {} ({}) FROM STDIN").format(table.identifier, names).as_string(cursor)
        )
        insert = sql.SQL("INSERT INTO {} ({}) VALUES ").format(table.identifier, names)
        self._insert = RowInsert(cursor, insert, "")

    def batch_limit(self, records: Sequence[Record]) -> int:
        """Return the number of records: any can go together."""
        return len(records)

    def write_many(self, records: Sequence[Record]) -> int:
        """Copy the records."""
        return copy_in(self._cursor, self._copy, encode_records(records))

    def write_one(self, record: Record) -> bool:
        """Insert the record."""
        self._insert.execute([record])
        return self._cursor.rowcount == 1

    def find_cell(self, record: Record, position: int) -> int | None:
        """Return the cell at a position of the INSERT."""
        return self._insert.find_cell(record, position)


class NewKeyAppender(Appender):
    """Insert the rows of an upsert into a table that has none: as long as no key comes again, none is updated."""

    def write_one(self, record: Record) -> bool:
        """Insert the record; raises `RowsRepeated` where a row stands in its way, of the file or of another writer."""
        try:
            return super().write_one(record)
        except (UniqueViolation, ExclusionViolation) as exc:
            raise RowsRepeated from exc
