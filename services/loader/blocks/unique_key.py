"""Ask which rows the unique key of the target refuses: a join, not a question for each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.postgres.target_table import TargetColumn, TargetTable
from libs.common.sql_files import read_statement


@dataclass(frozen=True, slots=True)
class UniqueKeyCheck:
    """The one unique key of a table."""

    columns: tuple[str, ...]
    nulls_are_equal: bool

    @classmethod
    def read(cls, cursor: Cursor, table: TargetTable, given: Sequence[TargetColumn]) -> Self | None:
        """Return the key of the table, or None when a join may judge otherwise than its index."""
        cursor.execute(
            read_statement(__package__, "unique_key"),
            {"table": table.oid, "columns": [column.name for column in given]},
        )
        found = cursor.fetchone()
        if found is None:
            return None
        columns, nulls_are_equal = found
        return cls(tuple(columns), nulls_are_equal)

    def description(self, row: sql.Composable) -> sql.Composed:
        """Return the values of the key as they stand in the detail of an error.

        Source: `BuildIndexValueDescription` in src/backend/access/index/genam.c.
        """
        values = sql.SQL(" || ', ' || ").join(
            sql.SQL("CASE WHEN {0}.{1} IS NULL THEN 'null' ELSE concat({0}.{1}) END").format(
                row, sql.Identifier(name)
            )
            for name in self.columns
        )
        return sql.SQL("'=(' || {} || ')'").format(values)

    def condition(
        self,
        block: sql.Composable,
        table: TargetTable,
        order: sql.Composable,
        refused: sql.Composable,
    ) -> sql.Composed:
        """Return when a row of `block` breaks the key; rows with a number in `refused` are not there for it.

        The target has the key, or an earlier row of the block that is not refused.
        """
        names = [sql.Identifier(name) for name in self.columns]
        equal = sql.SQL(
            "{1}.{0} IS NOT DISTINCT FROM {2}.{0}" if self.nulls_are_equal else "{1}.{0} = {2}.{0}"
        )
        there, here = sql.Identifier("adsp_there"), block

        def matches(other: sql.Composable) -> sql.Composed:
            return sql.SQL(" AND ").join(equal.format(name, other, here) for name in names)

        return sql.SQL(
            "(EXISTS (SELECT FROM ONLY {table} AS {there} WHERE {in_target})"
            " OR ({is_whole} AND row_number() OVER (PARTITION BY {refused} IS NULL, {names} ORDER BY {order}) > 1))"
        ).format(
            table=table.identifier,
            there=there,
            in_target=matches(there),
            is_whole=sql.SQL("TRUE")
            if self.nulls_are_equal
            else sql.SQL(" AND ").join(
                sql.SQL("{}.{} IS NOT NULL").format(here, name) for name in names
            ),
            refused=refused,
            names=sql.SQL(", ").join(sql.SQL("{}.{}").format(here, name) for name in names),
            order=order,
        )
