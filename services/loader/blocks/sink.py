"""Say where whole blocks go: the target table itself, or a table that stands before it."""

from collections.abc import Sequence
from typing import Protocol

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.csv.records import Record
from libs.common.postgres.copy.statements import column_list
from libs.common.postgres.copy.text import encode_records
from libs.common.postgres.target_table import TargetColumn, TargetTable
from services.loader.changes.row_changes import RowChanges


class Sink(Protocol):
    """Where whole blocks go: the target itself, or a table that stands before it."""

    copy: str
    """The COPY statement, without its format."""
    waiting: int
    """Rows that have been copied and are not in the target yet."""
    changes: RowChanges | None
    """What has been changed in the target, once all is flushed, where it is known."""

    def text(self, records: Sequence[Record]) -> bytes:
        """Return records as lines of the COPY in text format."""
        ...

    @property
    def has_end(self) -> bool:
        """Return whether the last `flush` has something to do also where no rows wait."""
        ...

    def note(self, rows: int) -> None:
        """Count rows that have been copied."""
        ...

    def flush(self, *, is_last: bool) -> None:
        """Write the rows that wait into the target."""
        ...


class Target:
    """The target table as the sink of blocks."""

    waiting = 0
    has_end = False
    changes: RowChanges | None = None

    def __init__(self, cursor: Cursor, table: TargetTable, columns: Sequence[TargetColumn]) -> None:
        """Prepare the statement."""
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(table.identifier, column_list(columns))
        self.copy = copy.as_string(cursor)

    def text(self, records: Sequence[Record]) -> bytes:
        """Return the records."""
        return encode_records(records)

    def note(self, rows: int) -> None:
        """Need not count: they are there."""

    def flush(self, *, is_last: bool) -> None:
        """Need not do anything."""
