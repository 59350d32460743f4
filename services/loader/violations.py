"""Find the rows of a block that a CHECK or NOT NULL constraint refuses, many at a time.

The rows are copied into a temporary table of the target's types, where the catalog's own expressions are asked.
What is found is only kept back from the block's COPY; the verdict comes from the judge.
"""

from collections.abc import Sequence

import polars as pl
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.catalog import TargetColumn, TargetTable
from libs.common.records import Record
from libs.common.statements import read_statement
from services.loader.writing import column_list, copy_in, unused_name

_BLOCK = sql.Identifier("pg_temp", "adsp_block")


class Violations:
    """The constraints of one target that a row breaks by itself."""

    def __init__(self, cursor: Cursor, table: TargetTable, columns: Sequence[TargetColumn]) -> None:
        """Look at nothing yet."""
        self._cursor = cursor
        self._table = table
        self._columns = columns
        self._order = unused_name(columns)
        self._copy = (
            sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)")
            .format(_BLOCK, column_list(columns))
            .as_string(cursor)
        )
        self._find: sql.Composed | None = None

    def find(self, encoded: bytes, before: str) -> pl.Series:
        """Return which of the encoded rows (from 0) are refused, in order."""
        find = self._find
        if find is None:
            find = self._prepare(before)
        else:
            self._cursor.execute(sql.SQL(before + "TRUNCATE {} RESTART IDENTITY").format(_BLOCK))
        copy_in(self._cursor, self._copy, encoded)
        self._cursor.execute(find)
        self._find = find
        return pl.Series([row[0] for row in self._cursor.fetchall()], dtype=pl.Int64)

    def are_misspelt(self, records: Sequence[Record], before: str) -> bool:
        """Tell whether each record has a cell that its column's type does not take."""
        width = len(self._columns)
        parameters = {
            "places": [place for place in range(len(records)) for _ in range(width)],
            "types": [column.type for column in self._columns] * len(records),
            "cells": [None if cell is None else cell.decode() for r in records for cell in r.cells],
        }
        self._cursor.execute(before + read_statement("services.loader", "misspelt"), parameters)
        row = self._cursor.fetchone()
        return row is not None and row[0] == len(records)

    def _prepare(self, before: str) -> sql.Composed:
        """Make the temporary table, which ends with the transaction and numbers its rows; return the question."""
        make = sql.SQL(
            "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA; "
        ).format(_BLOCK, column_list(self._columns), self._table.identifier)
        number = sql.SQL(
            "ALTER TABLE {} ADD {} bigint GENERATED ALWAYS AS IDENTITY (MINVALUE 0)"
        ).format(_BLOCK, self._order)
        self._cursor.execute(sql.SQL(before) + make + number)
        required = [column for column in self._columns if column.is_not_null]
        refusals = [
            sql.SQL("{} IS NULL").format(sql.Identifier(column.name)) for column in required
        ]
        refusals += [sql.SQL("NOT ({})").format(sql.SQL(text)) for text in self._read_checks()]
        refused = sql.SQL(" OR ").join(refusals) if refusals else sql.SQL("FALSE")
        return sql.SQL("SELECT {0} FROM {1} WHERE {2} ORDER BY {0}").format(
            self._order, _BLOCK, refused
        )

    def _read_checks(self) -> list[str]:
        """Return the CHECK expressions that only need columns of the header."""
        self._cursor.execute(
            read_statement("services.loader", "checks"),
            {"table": self._table.oid, "columns": [column.name for column in self._columns]},
        )
        return [row[0] for row in self._cursor.fetchall()]
