"""Write records into the target table, many at a time or one by itself: the two ways of every load mode.

`Appender` serves append and replace, `upserter` has the one for upsert. A writer does not handle
errors: the narrowing and the judge do.
"""

from collections.abc import Sequence
from io import BytesIO
from itertools import count
from typing import Protocol

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.catalog import TargetColumn, TargetTable
from libs.common.records import Record
from services.loader.writing.copytext import encode_records

_READ_BYTES = 1 << 20


class Writer(Protocol):
    """One load mode's way into the target; `before` is what its first statement must begin with."""

    rows_superseded: int
    """Records written whose row a later record of the job has written over."""

    def fit(self, records: Sequence[Record]) -> int:
        """Return how many of the first records one statement can write, at least 1."""
        ...

    def write_many(self, records: Sequence[Record], before: str) -> int:
        """Write records in their order with few statements; return how many rows were written."""
        ...

    def write_one(self, record: Record, before: str) -> bool:
        """Insert one record by itself; return False when a trigger suppressed it."""
        ...

    def find_cell(self, record: Record, position: int) -> int | None:
        """Return the cell that stands at character `position` (from 1) of `write_one`'s statement."""
        ...


class RowInsert:
    """The INSERT of one record's text: the very statement that judges it.

    The cells are literals of unknown type, so that each is read by its column's own input function.
    """

    def __init__(self, cursor: Cursor, head: sql.Composable, tail: str) -> None:
        """Put the statement together; the values go between `head` and `tail`."""
        self._cursor = cursor
        self._head = head.as_string(cursor)
        self._tail = tail
        self._values_at = 0

    def execute(self, records: Sequence[Record], before: str) -> None:
        """Run the statement for one record or a few, after the statements in `before`."""
        row = f"({', '.join(['%s'] * len(records[0].cells))})"
        cells = [None if cell is None else cell.decode() for r in records for cell in r.cells]
        values = self._cursor.mogrify(", ".join([row] * len(records)), cells).decode()
        self._values_at = len(before) + len(self._head)
        self._cursor.execute(f"{before}{self._head}{values}{self._tail}")

    def find_cell(self, record: Record, position: int) -> int | None:
        """Return the cell whose literal covers a character of the last statement, from 1."""
        end = self._values_at + 1
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

    def __init__(self, cursor: Cursor, table: TargetTable, columns: Sequence[TargetColumn]) -> None:
        """Prepare the statements for these columns, in the order of the header."""
        self._cursor = cursor
        names = column_list(columns)
        self._copy = (
            sql.SQL("COPY {} ({}) FROM STDIN").format(table.identifier, names).as_string(cursor)
        )
        insert = sql.SQL("INSERT INTO {} ({}) VALUES ").format(table.identifier, names)
        self._insert = RowInsert(cursor, insert, "")

    def fit(self, records: Sequence[Record]) -> int:
        """Return the number of records: any can go together."""
        return len(records)

    def write_many(self, records: Sequence[Record], before: str) -> int:
        """Copy the records."""
        return copy_in(self._cursor, before + self._copy, encode_records(records))

    def write_one(self, record: Record, before: str) -> bool:
        """Insert the record."""
        self._insert.execute([record], before)
        return self._cursor.rowcount == 1

    def find_cell(self, record: Record, position: int) -> int | None:
        """Return the cell at a position of the INSERT."""
        return self._insert.find_cell(record, position)


class Sink(Protocol):
    """Where whole blocks go: the target itself, or a table that stands before it."""

    copy: str
    """The COPY statement, without its format."""
    waiting: int
    """Rows that have been copied and are not in the target yet."""

    def text(self, records: Sequence[Record]) -> bytes:
        """Return records as lines of the COPY in text format."""
        ...

    def note(self, rows: int) -> None:
        """Count rows that have been copied."""
        ...

    def flush(self, before: str, *, is_last: bool) -> None:
        """Write the rows that wait into the target; `before` begins the first statement."""
        ...


class Target:
    """The target table as the sink of blocks."""

    waiting = 0

    def __init__(self, cursor: Cursor, table: TargetTable, columns: Sequence[TargetColumn]) -> None:
        """Prepare the statement."""
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(table.identifier, column_list(columns))
        self.copy = copy.as_string(cursor)

    def text(self, records: Sequence[Record]) -> bytes:
        """Return the records."""
        return encode_records(records)

    def note(self, rows: int) -> None:
        """Need not count: they are there."""

    def flush(self, before: str, *, is_last: bool) -> None:
        """Need not do anything."""


def copy_in(cursor: Cursor, statement: str, rows: bytes) -> int:
    """Run a ``COPY … FROM STDIN`` with these rows; return how many were written."""
    cursor.copy_expert(statement, BytesIO(rows), size=max(len(rows), 1))
    return cursor.rowcount


def column_list(columns: Sequence[TargetColumn]) -> sql.Composed:
    """Return the columns' quoted names, separated by commas."""
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def unused_name(columns: Sequence[TargetColumn]) -> sql.Identifier:
    """Return a name for the order of records that no column of the header has."""
    taken = {column.name for column in columns}
    return sql.Identifier(next(n for i in count() if (n := f"adsp_order_{i}") not in taken))
