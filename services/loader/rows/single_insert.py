"""Ask Postgres about one record: it is inserted by itself, and the answer is final.

The statement is the one of promise 3 (an INSERT of the record's text under a savepoint), so its SQLSTATE and
message are what a failed row records. Records that follow each other may share the savepoint.
"""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import Diagnostics
from psycopg2.extensions import cursor as Cursor

from libs.common.csv.records import Record
from libs.common.enums import ErrorCode
from libs.common.postgres.target_table import TargetColumn, TargetTable
from libs.common.sql_files import read_statement
from services.loader.rejects.rejection import (
    Rejection,
    error_code,
    is_row_error,
    may_be_row_error,
)
from services.loader.rows.append import Writer
from services.loader.savepoint import Savepoint


class Inserted(NamedTuple):
    """What became of records that share a savepoint: so many were `taken`, the next one was not, for this reason.

    Where it `is_undone` none of them is in the table.
    """

    taken: int
    rejection: Rejection | None
    is_undone: bool


class SingleRowWriter:
    """Insert records one by one and word the refusals."""

    def __init__(
        self,
        cursor: Cursor,
        table: TargetTable,
        columns: Sequence[TargetColumn],
        writer: Writer,
        savepoint: Savepoint,
    ) -> None:
        """Judge by the writer's statement for one record."""
        self._cursor = cursor
        self._table = table
        self._columns = columns
        self._writer = writer
        self._savepoint = savepoint
        self.seconds = 0.0

    def insert(self, record: Record) -> Rejection | None:
        """Insert the record; return why when Postgres refuses it, else None.

        Raises psycopg2.Error when the answer is about the job and not about the row.
        """
        return self.insert_each([record]).rejection

    def insert_each(self, records: Sequence[Record]) -> Inserted:
        """Insert records, each by itself, up to the first that is rejected.

        Raises psycopg2.Error when the answer is about the job and not about a row.
        """
        start = time.perf_counter()
        try:
            return self._insert_under_savepoint(records)
        finally:
            self.seconds += time.perf_counter() - start

    def _insert_under_savepoint(self, records: Sequence[Record]) -> Inserted:
        """Do what `insert_each` says."""
        superseded, taken = self._writer.rows_superseded, 0
        try:
            with self._savepoint:
                while taken < len(records) and self._writer.write_one(records[taken]):
                    taken += 1
        except psycopg2.Error as exc:
            record = records[taken]
            if exc.pgcode is None or not self._is_own_error(record, exc.pgcode, exc.diag):
                raise
            self._writer.rows_superseded = superseded
            return Inserted(taken, self._refusal(record, exc.pgcode, exc.diag), is_undone=True)
        return Inserted(
            taken, self._suppression() if taken < len(records) else None, is_undone=False
        )

    def _suppression(self) -> Rejection:
        """Return why a record is rejected that has left no row."""
        return Rejection(ErrorCode.SUPPRESSED, f"a trigger of {self._table.name} dropped the row")

    def _is_own_error(self, record: Record, sqlstate: str, diagnostics: Diagnostics) -> bool:
        """Return whether the error is the record's own.

        Of a class that is not a row's by itself it is if it stands at the literal of a cell: there Postgres calls
        nothing but the input function of the column's type.
        """
        if is_row_error(sqlstate):
            return True
        return may_be_row_error(sqlstate) and self._cell_at(record, diagnostics) is not None

    def _cell_at(self, record: Record, diagnostics: Diagnostics) -> int | None:
        """Return the cell that Postgres names as the error's place."""
        place = diagnostics.statement_position
        return self._writer.find_cell(record, int(place)) if place else None

    def _refusal(self, record: Record, sqlstate: str, diagnostics: Diagnostics) -> Rejection:
        """Return why in Postgres' own words."""
        message = diagnostics.message_primary or ""
        column = self._column(record, sqlstate, message, diagnostics)
        if diagnostics.message_detail:
            message = f"{message}: {diagnostics.message_detail}"
        return Rejection(error_code(sqlstate), message, column, sqlstate)

    def _column(
        self, record: Record, sqlstate: str, message: str, diagnostics: Diagnostics
    ) -> str | None:
        """Name the column at fault if Postgres tells, or if the answer shows it."""
        if diagnostics.column_name:
            return diagnostics.column_name
        if diagnostics.constraint_name:
            return self._table.constraint_columns.get(diagnostics.constraint_name)
        if diagnostics.statement_position:
            cell = self._cell_at(record, diagnostics)
            return None if cell is None else self._columns[cell].name
        return self._try_cells(record, sqlstate, message) if sqlstate[:2] == "22" else None

    def _try_cells(self, record: Record, sqlstate: str, message: str) -> str | None:
        """Find the first cell that alone gives the same error, for errors without a position."""
        parameters = {
            "columns": [column.name for column in self._columns],
            "types": [column.type for column in self._columns],
            "cells": [None if cell is None else cell.decode() for cell in record.cells],
            "sqlstate": sqlstate,
            "message": message,
        }
        return self._savepoint.ask(lambda: self._find_cell(parameters))

    def _find_cell(self, parameters: Mapping[str, object]) -> str | None:
        self._cursor.execute(read_statement(__package__, "blame"), parameters)
        row = self._cursor.fetchone()
        return None if row is None else str(row[0])
