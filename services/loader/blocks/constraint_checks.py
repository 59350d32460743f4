"""Find the rows that a NOT NULL, CHECK or unique constraint refuses, many at a time.

The rows are copied into a temporary table of the target's types, where the catalog's own expressions are asked in the
order in which an INSERT tries them: NOT NULL by column, then CHECK by name. A row that they let pass is refused by the
unique key when the target or an earlier row that passes has its key. What is found is kept back from the COPY;
`services.loader.blocks.constraint_messages` says it in Postgres' words.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.datasets.slices import Slice
from libs.common.postgres.copy.statements import column_list, copy_in, unused_name
from libs.common.postgres.prepared import fetch_prepared
from libs.common.postgres.target_table import TargetColumn, TargetTable
from services.loader.blocks.broken import OUTSIDE, UNIQUE, Broken, as_texts
from services.loader.blocks.constraint_messages import describe
from services.loader.blocks.key_lookup import KeyLookup
from services.loader.blocks.unique_key import UniqueKeyCheck
from services.loader.nulls import is_given, is_null

_BLOCK, _ROW = sql.Identifier("pg_temp", "adsp_block"), sql.Identifier("adsp_row")
_WHICH, _FIRST = sql.Identifier("adsp_constraint"), sql.Identifier("adsp_first")
_SORT_MEMORY = "64MB"
"""The search for repeated keys sorts a block, which takes a fifth of its time where that goes to a file."""


class Violations:
    """The constraints of one target that a row breaks by itself."""

    def __init__(
        self,
        cursor: Cursor,
        table: TargetTable,
        columns: Sequence[TargetColumn],
        part: Slice | None,
        *,
        is_unique_asked: bool,
    ) -> None:
        """Read the constraints; make nothing yet. Rows of an upsert are not refused for their keys.

        `part` is the slice that rows must belong to, if there is one.
        """
        self.part = part
        self._cursor = cursor
        self._table = table
        self._columns = columns
        self._order = unused_name(columns)
        checks = self._read_checks()
        self.checks = [expression for expression, is_askable in checks if is_askable]
        given = {column.name for column in columns}
        self.are_complete = (
            not table.is_partitioned
            and len(self.checks) == len(checks)
            and all(column.name in given or _stays_null(column) for column in table.columns)
        )
        """Whether the first constraint found is always the one that an INSERT would name."""
        self._unique = (
            UniqueKeyCheck.read(cursor, table, columns)
            if is_unique_asked and self.are_complete
            else None
        )
        self.keys = KeyLookup(cursor, table, columns, self._unique) if self._unique else None
        """What refuses rows that no other constraint does, where that can be asked."""
        self._copy = (
            sql.SQL("COPY {} ({}) FROM STDIN")
            .format(_BLOCK, column_list(columns))
            .as_string(cursor)
        )
        self._find: sql.Composed | None = None

    def find(self, rows: bytes, *, form: str) -> list[Broken]:
        """Return which rows, as a COPY of this form takes them, are refused.

        They come as arrays: to make an object of each would take longer than Postgres takes to find it.
        """
        find = self._find
        if find is None:
            find = self._prepare()
        else:
            self._cursor.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(_BLOCK))
        copy_in(self._cursor, f"{self._copy} (FORMAT {form})", rows)
        self._cursor.execute(find)
        self._find = find
        taken, keys, refused, which, *values = self._cursor.fetchone() or ()
        found = []
        if taken:
            found.append(Broken.in_order(UNIQUE, taken, as_texts(keys)))
        if refused:
            described = [describe(row) for row in zip(*values, strict=True)]
            found += _by_constraint(np.asarray(which), np.asarray(refused), described)
        return found

    def _prepare(self) -> sql.Composed:
        """Make the temporary table, which ends with the transaction and numbers its rows; return the question."""
        make = sql.SQL(
            "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA; "
        ).format(_BLOCK, column_list(self._columns), self._table.identifier)
        number = sql.SQL(
            "ALTER TABLE {} ADD {} bigint GENERATED ALWAYS AS IDENTITY (MINVALUE 0)"
        ).format(_BLOCK, self._order)
        sort_memory = sql.SQL("; SET LOCAL work_mem = {}").format(sql.Literal(_SORT_MEMORY))
        self._cursor.execute(make + number + sort_memory)
        cases = [
            sql.SQL("WHEN {} THEN {}").format(refusal, sql.Literal(place))
            for place, refusal in enumerate(self._refusals())
        ]
        if self.part is not None:
            outside = sql.SQL("WHEN ({}) IS NOT TRUE THEN {}")
            cases = [outside.format(self.part.condition(), sql.Literal(OUTSIDE)), *cases]
        which = (
            sql.SQL("CASE {} END").format(sql.SQL(" ").join(cases))
            if cases
            else sql.SQL("NULL::int")
        )
        key, found = sql.Composed([sql.SQL("NULL::text")]), sql.SQL("SELECT *, {} AS {} FROM {}")
        rows = found.format(which, _FIRST, _BLOCK)
        if self._unique is not None:
            key = self._unique.description(_ROW)
            rows = self._with_unique(self._unique, found.format(which, _WHICH, _BLOCK))
        return sql.SQL(
            "SELECT array_agg({0}) FILTER (WHERE {1} = {2}), array_agg({3}) FILTER (WHERE {1} = {2}),"
            " array_agg({0}) FILTER (WHERE {1} <> {2}), array_agg({1}) FILTER (WHERE {1} <> {2}), {4}"
            " FROM ({5}) AS {6} WHERE {1} IS NOT NULL"
        ).format(self._order, _FIRST, sql.Literal(UNIQUE), key, self._values(_FIRST), rows, _ROW)

    def _with_unique(self, unique: UniqueKeyCheck, rows: sql.Composed) -> sql.Composed:
        """Return the rows with the number of what refuses each: their own constraint, or the key.

        Only rows that the target lets pass are sorted for the keys that stand twice among them.
        """
        is_there = unique.is_in_target(_ROW, self._table)
        names = sql.SQL("{}, {}").format(column_list(self._columns), self._order)
        return sql.SQL(
            "WITH {asked} AS MATERIALIZED (SELECT {names}, CASE WHEN {which} IS NOT NULL THEN {which}"
            " WHEN {is_there} THEN {unique} END AS {first} FROM ({rows}) AS {row})"
            " SELECT {names}, {first} FROM {asked} WHERE {first} IS NOT NULL UNION ALL"
            " SELECT {names}, {unique} FROM (SELECT *, {place} AS {which} FROM {asked} AS {row}"
            " WHERE {first} IS NULL AND {is_whole}) AS {row} WHERE {which} > 1"
        ).format(
            asked=sql.Identifier("adsp_asked"),
            names=names,
            which=_WHICH,
            is_there=is_there,
            unique=sql.Literal(UNIQUE),
            first=_FIRST,
            rows=rows,
            row=_ROW,
            place=unique.place(_ROW, self._order),
            is_whole=unique.is_whole(_ROW),
        )

    def _refusals(self) -> Sequence[sql.Composable]:
        """Return a condition for each constraint."""
        given = {column.name for column in self._columns}
        required = [column for column in self._table.columns if column.is_not_null]
        return [
            is_null(sql.Identifier(column.name)) for column in required if column.name in given
        ] + [sql.SQL("NOT ({})").format(sql.SQL(expression)) for expression in self.checks]

    def _values(self, which: sql.Composable) -> sql.Composed:
        """Return the columns of the table as text; concat writes a value as its type's output function does.

        The error of a unique key does not show them.
        """
        given = {column.name for column in self._columns}
        return sql.SQL(", ").join(
            sql.SQL("array_agg({}) FILTER (WHERE {} <> {})").format(
                sql.SQL("CASE WHEN {} THEN concat({}) END").format(
                    is_given(sql.Identifier(column.name)), sql.Identifier(column.name)
                )
                if column.name in given
                else sql.SQL("NULL::text"),
                which,
                sql.Literal(UNIQUE),
            )
            for column in self._table.columns
        )

    def _read_checks(self) -> list[tuple[str, bool]]:
        """Return the CHECK expressions, and whether each needs only columns of the header."""
        columns = [column.name for column in self._columns]
        parameters = {"table": self._table.oid, "columns": columns}
        return fetch_prepared(self._cursor, __package__, "constraint_checks", parameters)


def _by_constraint(
    which: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], values: list[str]
) -> Iterator[Broken]:
    """Yield the refused rows of each constraint."""
    for constraint in np.unique(which).tolist():
        places = np.flatnonzero(which == constraint)
        of_these = as_texts([values[place] for place in places.tolist()])
        yield Broken.in_order(constraint, rows[places], of_these)


def _stays_null(column: TargetColumn) -> bool:
    """Return whether a column that the header does not have is certainly NULL in each row, and may be."""
    given_by_postgres = column.has_default or column.is_computed or column.identity
    return not (given_by_postgres or column.is_not_null or column.is_domain)
