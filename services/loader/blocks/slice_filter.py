"""Refuse the records that do not belong to the slice that a job replaces, before they are written.

Rows of blocks are found by `services.loader.blocks.constraint_checks`, as if the slice were the first of the table's
constraints; this is for records. A record with a cell that its type refuses is left to the row path: that comes first.
"""

from collections.abc import Sequence
from datetime import date

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.csv.records import Record
from libs.common.datasets.slices import Slice
from libs.common.enums import ErrorCode
from libs.common.errors import BadInput
from libs.common.postgres.copy.encoded_block import TypeCheckCells
from libs.common.postgres.target_table import TargetColumn, TargetTable
from services.loader.blocks.domain_nulls import DomainNulls
from services.loader.blocks.type_checks import Inputs
from services.loader.rejects.rejection import RejectedRecord, Rejection
from services.loader.savepoint import Savepoint

_EPOCH = date(2000, 1, 1)
"""What Postgres counts days and microseconds from."""
_DAY = 86_400_000_000


class SliceGate:
    """Lets the records of a slice pass."""

    def __init__(
        self,
        cursor: Cursor,
        columns: Sequence[TargetColumn],
        wanted: Slice,
        savepoint: Savepoint,
    ) -> None:
        """Put the question together."""
        self._cursor = cursor
        self._slice = wanted
        self._savepoint = savepoint
        self._inputs = Inputs(cursor, columns)
        self._cell = next(i for i, column in enumerate(columns) if column == wanted.column)
        self._columns = columns
        self._nulls = DomainNulls(cursor, savepoint)
        type_name = wanted.column.type
        # Only values that the type takes are cast: CASE goes by its order for what is no constant.
        self._question = sql.SQL(
            "SELECT CASE WHEN pg_input_is_valid(given.text, {type}) THEN"
            " (SELECT {condition} FROM (SELECT given.text::{cast} AS {name}) AS value) END"
            " FROM unnest("
        ).format(
            type=sql.Literal(type_name),
            cast=sql.SQL(type_name),
            condition=wanted.condition(),
            name=sql.Identifier(wanted.column.name),
        )

    def part(self, records: Sequence[Record]) -> tuple[list[Record], list[RejectedRecord]]:
        """Return the records to go on with, and failed rows of those outside the slice."""
        verdicts = self._ask(records)
        outside = [
            place
            for place, record in enumerate(records)
            if (cell := record.cells[self._cell]) is None or verdicts[cell] is False
        ]
        refused = set(outside).difference(self._find_unreadable(records, outside))
        rejection = reject_outside(self._slice)
        return (
            [record for place, record in enumerate(records) if place not in refused],
            [(records[place], rejection) for place in sorted(refused)],
        )

    def _ask(self, records: Sequence[Record]) -> dict[bytes, bool | None]:
        """Return whether cells are of the slice, None for those that the type refuses."""
        given = {record.cells[self._cell] for record in records}
        cells = sorted(cell for cell in given if cell is not None)
        if not cells:
            return {}
        with self._savepoint:
            texts = sql.Literal([cell.decode() for cell in cells])
            # A parameter would take a percent sign in the column's name for another one.
            self._cursor.execute(
                self._question
                + texts
                + sql.SQL("::text[]) WITH ORDINALITY AS given (text, place) ORDER BY place")
            )
            return dict(zip(cells, (row[0] for row in self._cursor), strict=True))

    def _find_unreadable(self, records: Sequence[Record], places: Sequence[int]) -> set[int]:
        """Return the records of which some cell is refused by its type."""
        nulls = self._find_refused_nulls(records, places)
        cells = TypeCheckCells.of(
            (place, column, cell.decode())
            for place in places
            for column, cell in enumerate(records[place].cells)
            if cell is not None
        )
        if not len(cells):
            return nulls
        answer = self._savepoint.ask(lambda: self._inputs.refusals(cells))
        if answer is not None:
            refused, undecided = answer
            return {*nulls, *refused.lines.tolist(), *undecided}
        # Of a record that is asked about alone the error is its own.
        if len(places) == 1:
            return {*nulls, *places}
        middle = len(places) // 2
        halves = (places[:middle], places[middle:])
        return set().union(*(self._find_unreadable(records, half) for half in halves))

    def _find_refused_nulls(self, records: Sequence[Record], places: Sequence[int]) -> set[int]:
        """Return the records with a NULL that its domain refuses, as it does while cells are read."""
        return {
            place
            for place in places
            for column, cell in enumerate(records[place].cells)
            if cell is None and self._nulls.are_refused(self._columns[column])
        }


def reject_outside(wanted: Slice) -> Rejection:
    """Return why records outside the slice are rejected."""
    return Rejection(ErrorCode.CHECK, wanted.reason, wanted.column.name)


def require_kept(cursor: Cursor, table: TargetTable, wanted: Slice, rows: int) -> None:
    """Raise `BadInput` when a replaced slice has fewer rows than were written: a trigger has given them another day.

    The next load of the slice would not find them, and double them.
    """
    if not table.has_user_triggers:
        return
    cursor.execute(
        sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table.own_rows, wanted.condition())
    )
    row = cursor.fetchone()
    left = rows - (int(row[0]) if row else 0)
    if left > 0:
        raise BadInput(
            "scope-not-possible",
            f"a trigger of {table.name} has given {left:,} rows another {wanted.column.name!r} than that of their "
            "slice, where the next load would not find them; nothing was loaded: change the trigger, or name another "
            "column in 'scope'",
        )


def read_bounds(cursor: Cursor, wanted: Slice) -> tuple[int, int] | None:
    """Return where the binary values of a slice begin and end, None where they are no numbers."""
    first = (wanted.day - _EPOCH).days
    if wanted.column.type == "date":
        return first, first + 1
    if wanted.column.type == "timestamp without time zone":
        return first * _DAY, (first + 1) * _DAY
    if wanted.column.type != "timestamp with time zone":
        return None
    cursor.execute(
        "SELECT (extract(epoch FROM pg_catalog.timezone(%(zone)s, day::timestamp)) * 1000000)::bigint"
        " - (extract(epoch FROM '2000-01-01 00:00+00'::timestamptz) * 1000000)::bigint"
        " FROM unnest(ARRAY[%(day)s::date, %(day)s::date + 1]) AS day ORDER BY 1",
        {"zone": wanted.zone, "day": wanted.day},
    )
    (least,), (below,) = cursor.fetchall()
    return int(least), int(below)
