"""Find the rows of a block that a CHECK or NOT NULL constraint refuses, many at a time.

The rows are copied into a temporary table of the target's types, where the catalog's own expressions are asked.
What is found is only kept back from the block's COPY; the verdict comes from the judge.
"""

from collections.abc import Sequence
from io import BytesIO

import polars as pl
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.catalog import TargetColumn, TargetTable
from libs.common.records import Record
from libs.common.statements import read_statement
from services.loader.codecs import BIGINT, Codec, encode_rows
from services.loader.writing import column_list, unused_name

_BLOCK = sql.Identifier("pg_temp", "adsp_block")
_READ_BYTES = 1 << 20


class Violations:
    """The constraints of one target that a row breaks by itself."""

    def __init__(
        self,
        cursor: Cursor,
        table: TargetTable,
        columns: Sequence[TargetColumn],
        codecs: Sequence[Codec],
    ) -> None:
        """Look at nothing yet."""
        self._cursor = cursor
        self._table = table
        self._columns = columns
        self._codecs = codecs
        self._order = unused_name(columns)
        self._find: sql.Composed | None = None

    def find(self, rows: pl.DataFrame, before: str) -> pl.Series:
        """Return which rows (from 0) are refused, in order."""
        self._cursor.execute(before + "SELECT 1")
        find = self._find or self._prepare()
        self._cursor.execute(sql.SQL("TRUNCATE {}").format(_BLOCK))
        numbered = rows.with_columns(pl.int_range(rows.height, dtype=pl.Int64).alias("order"))
        data = BytesIO(encode_rows(numbered, [*self._codecs, BIGINT]))
        copy = sql.SQL("COPY {} ({}, {}) FROM STDIN (FORMAT binary)").format(
            _BLOCK, column_list(self._columns), self._order
        )
        self._cursor.copy_expert(copy, data, size=_READ_BYTES)
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

    def _prepare(self) -> sql.Composed:
        """Make the temporary table, which ends with the transaction; return the question."""
        self._cursor.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {}, 0::bigint AS {} FROM {}"
                " WITH NO DATA"
            ).format(_BLOCK, column_list(self._columns), self._order, self._table.identifier)
        )
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
