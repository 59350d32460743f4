"""Ask which rows the unique key of the target refuses: a join, not a question for each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.postgres.prepared import fetch_prepared
from libs.common.postgres.target_table import TargetColumn, TargetTable
from services.loader.nulls import is_given, is_null


@dataclass(frozen=True, slots=True)
class UniqueKeyCheck:
    """The one unique key of a table."""

    columns: tuple[str, ...]
    nulls_are_equal: bool
    can_be_hashed: bool

    @classmethod
    def read(cls, cursor: Cursor, table: TargetTable, given: Sequence[TargetColumn]) -> Self | None:
        """Return the key of the table, or None when a join may judge otherwise than its index."""
        parameters = {"table": table.oid, "columns": [column.name for column in given]}
        found = fetch_prepared(cursor, __package__, "unique_key", parameters)
        if not found:
            return None
        columns, nulls_are_equal, can_be_hashed = found[0]
        return cls(tuple(columns), nulls_are_equal, can_be_hashed)

    def description(self, row: sql.Composable) -> sql.Composed:
        """Return the values of the key as they stand in the detail of an error.

        Source: `BuildIndexValueDescription` in src/backend/access/index/genam.c.
        """
        values = sql.SQL(" || ', ' || ").join(
            sql.SQL("CASE WHEN {} THEN 'null' ELSE concat({}) END").format(is_null(name), name)
            for name in self._names(row)
        )
        return sql.SQL("'=(' || {} || ')'").format(values)

    def is_in_target(self, row: sql.Composable, table: TargetTable) -> sql.Composed:
        """Return when the target has the key of a row.

        It is looked up in the index row by row: left to itself Postgres reads the whole table for each block. Without
        OFFSET it would; with keys in which NULLs are equal no index helps, so that only those with one go that way.
        """
        equal = self._lookup(row, table, "{1}.{0} = {2}.{0}")
        if not self.nulls_are_equal:
            return equal
        same = self._lookup(row, table, "{1}.{0} IS NOT DISTINCT FROM {2}.{0}")
        return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(self.is_given(row), equal, same)

    def place(self, row: sql.Composable, order: sql.Composable) -> sql.Composed:
        """Return which of the rows of its key a row is, from 1."""
        return sql.SQL("row_number() OVER (PARTITION BY {} ORDER BY {})").format(
            self.values(row), order
        )

    def is_whole(self, row: sql.Composable) -> sql.Composable:
        """Return when another row can have the same key."""
        return sql.SQL("TRUE") if self.nulls_are_equal else self.is_given(row)

    def _lookup(self, row: sql.Composable, table: TargetTable, equal: str) -> sql.Composed:
        there = sql.Identifier("adsp_there")
        matches = [sql.SQL(equal).format(sql.Identifier(name), there, row) for name in self.columns]
        return sql.SQL("EXISTS (SELECT FROM ONLY {} AS {} WHERE {} OFFSET 0)").format(
            table.identifier, there, sql.SQL(" AND ").join(matches)
        )

    def is_given(self, row: sql.Composable) -> sql.Composed:
        """Return when no part of a row's key is NULL."""
        return sql.SQL(" AND ").join(map(is_given, self._names(row)))

    def values(self, row: sql.Composable) -> sql.Composed:
        """Return the columns of a row's key, as a list."""
        return sql.SQL(", ").join(self._names(row))

    def _names(self, row: sql.Composable) -> list[sql.Composed]:
        return [sql.SQL("{}.{}").format(row, sql.Identifier(name)) for name in self.columns]
