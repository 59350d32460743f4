"""Write the differences between a delivery and its target: what is gone, what has changed, what is new.

Rows that do not differ stay as and where they are. A table with triggers (none that runs before inserts) has rows that
changed deleted and inserted, as if all had been: a trigger may heed inserts alone.
"""

from collections.abc import Callable, Sequence
from typing import LiteralString

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.datasets.slices import Slice
from libs.common.postgres.copy.statements import column_list
from libs.common.postgres.target_table import TargetColumn, TargetTable
from services.loader.changes.comparison import Comparison
from services.loader.changes.row_changes import RowChanges
from services.loader.changes.rules import ComparisonRules
from services.loader.load_errors import RowsRepeated, StagedRowsRefused
from services.loader.rejects.rejection import is_row_error

_WHOLE_FROM = 0.3
"""An update costs as much as a few inserts in the order of the file: its index entries are scattered."""
_UNIQUE = "23505"
# A publication that sends updates wants an identity of rows, which the table does not have or it does not send.
_NOT_REPLICATED = {"55000", "42P10"}


class ChangeWriter:
    """Writes into one target, or a slice of it, which is locked against other writers: rows stay where they are."""

    def __init__(
        self,
        cursor: Cursor,
        table: TargetTable,
        columns: Sequence[TargetColumn],
        rules: ComparisonRules,
        part: Slice | None,
        comparison: Comparison,
    ) -> None:
        """Write nothing yet."""
        self._cursor = cursor
        self._table = table
        self._columns = columns
        self._rules = rules
        self._part = part
        self._names = {
            "table": table.identifier,
            "own_rows": table.own_rows,
            "columns": column_list(columns),
            "differences": comparison.differences,
            "staged": comparison.staged,
        }

    def write(self, changes: RowChanges, check: Callable[[], None]) -> None:
        """Write what differs; `check` is called between statements and may raise.

        Raises `StagedRowsRefused` where Postgres refuses a row of it or drops one.
        """
        try:
            for statement, rows in self._statements(changes):
                check()
                if rows:
                    self._execute(statement, rows)
        except psycopg2.Error as exc:
            if exc.pgcode == _UNIQUE:
                raise RowsRepeated from exc
            if not is_row_error(exc.pgcode) and exc.pgcode not in _NOT_REPLICATED:
                raise
            raise StagedRowsRefused from exc

    def _statements(self, changes: RowChanges) -> list[tuple[sql.Composed, int]]:
        """Return the statements in their order, with the rows that each has to write."""
        if self._rules.has_triggers:
            return [
                (self._delete("target IS NOT NULL"), changes.deleted + changes.updated),
                (self._insert("staged IS NOT NULL"), changes.inserted + changes.updated),
            ]
        if self._costs_less_whole(changes):
            return [
                (self._delete_all(), changes.rows_before),
                (self._insert_all(), changes.rows_after),
            ]
        return [
            (self._delete("staged IS NULL"), changes.deleted),
            (self._update(), changes.updated),
            (self._insert("staged IS NOT NULL AND target IS NULL"), changes.inserted),
        ]

    def _costs_less_whole(self, changes: RowChanges) -> bool:
        """Return whether so many rows have changed that to delete and insert all costs less."""
        return not self._rules.kept and changes.updated > _WHOLE_FROM * changes.rows_before

    def _execute(self, statement: sql.Composed, rows: int) -> None:
        self._cursor.execute(statement)
        if self._cursor.rowcount != rows:
            raise StagedRowsRefused

    def _delete_all(self) -> sql.Composed:
        condition = self._part.condition() if self._part else sql.SQL("TRUE")
        return self._format("DELETE FROM {own_rows} WHERE ") + condition

    def _insert_all(self) -> sql.Composed:
        return self._format("INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged}")

    def _delete(self, which: LiteralString) -> sql.Composed:
        return self._format(
            "DELETE FROM {own_rows} WHERE ctid = ANY(ARRAY(SELECT target FROM {differences}"
            " WHERE target IS NOT NULL AND {which}))",
            which=sql.SQL(which),
        )

    def _update(self) -> sql.Composed:
        values = sql.SQL(", ").join(
            sql.SQL("{0} = new.{0}").format(sql.Identifier(column.name)) for column in self._columns
        )
        return self._format(
            "UPDATE {own_rows} AS old SET {values} FROM {differences} AS found"
            " JOIN {staged} AS new ON new.ctid = found.staged WHERE old.ctid = found.target",
            values=values,
        )

    def _insert(self, which: LiteralString) -> sql.Composed:
        """Return the statement that inserts rows in the order of the file, in which they are staged."""
        values = sql.SQL(", ").join(sql.Identifier("new", column.name) for column in self._columns)
        return self._format(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM {differences} AS found"
            " JOIN {staged} AS new ON new.ctid = found.staged WHERE {which} ORDER BY found.staged",
            values=values,
            which=sql.SQL(which),
        )

    def _format(self, text: str, **more: sql.Composable) -> sql.Composed:
        return sql.SQL(text).format(**self._names, **more)
