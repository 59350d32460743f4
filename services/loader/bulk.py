"""Write a block by columns: typed here where that is certain, copied in binary form, the rest judged by Postgres.

    block ──columns──► canonical values ──binary COPY──► target
              └── suspects: unfit lines, other spellings ──► judged ──► failed rows, or inserted

It either settles a whole block or leaves no trace and says that it cannot: then the block goes record by record
through `services.loader.narrowing`, which can do anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.catalog import TargetColumn, TargetTable
from libs.common.datasets import DatasetDefinition
from libs.common.frames import Block
from libs.common.records import Record, RecordSplitter
from libs.common.states import LoadMode
from services.loader.codecs import Codec, encode_rows, find_codec
from services.loader.columns import ColumnReader, Columns
from services.loader.session import Savepoint
from services.loader.target import must_go_one_by_one
from services.loader.verdicts import is_row_error
from services.loader.violations import Violations
from services.loader.writing import column_list, copy_in

_MOST_SUSPECTS = 0.5
"""With a greater share of suspects in a block, columns gain nothing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A block as columns of values; `suspects` are lines (from 0) that Postgres has to look at."""

    block: Block
    values: pl.DataFrame
    places: pl.Series
    suspects: list[int]
    lines: pl.Series
    encoded: bytes


class BulkPlan:
    """How the blocks of one load become columns; needs no connection, so it runs beside the COPY."""

    def __init__(
        self, reader: ColumnReader, codecs: Sequence[Codec], splitter: RecordSplitter
    ) -> None:
        """Read with `reader`, type with one codec per column."""
        self.codecs = codecs
        self._reader = reader
        self._splitter = splitter

    def are_records(self, data: bytes) -> bool:
        """Tell whether each line is certainly one record."""
        return self._reader.are_records(data)

    def prepare(self, block: Block) -> Prepared | None:
        """Return the block as values, or None when it is not of the common shape."""
        columns = self._reader.read(block.data) if block.frames is None else None
        if columns is None:
            return None
        values = columns.cells.select(
            codec.value(pl.col(name)).alias(name)
            for name, codec in zip(columns.cells.columns, self.codecs, strict=True)
        )
        return self._without_suspects(block, columns, values)

    def records(self, prepared: Prepared, places: Sequence[int]) -> list[Record]:
        """Return lines of the block as records."""
        if not places:
            return []
        sizes = prepared.lines.str.len_bytes().cast(pl.Int64) + 1
        ends = sizes.cum_sum()
        block, found = prepared.block, []
        for place in places:
            end = ends[place]
            start = end - sizes[place]
            line = Block(
                block.byte_offset + start,
                block.line_number + place,
                block.data[start:end],
                None,
                block.byte_offset + end,
                block.line_number + place + 1,
            )
            found += self._splitter.split(line)
        return found

    def _without_suspects(
        self, block: Block, columns: Columns, values: pl.DataFrame
    ) -> Prepared | None:
        """Part the rows whose every value is certain from those with a cell without a value."""
        places, suspects = columns.places, columns.unfit
        is_certain = pl.select(
            pl.all_horizontal(
                [
                    values[name].is_not_null() | columns.cells[name].is_null()
                    for name in values.columns
                ]
            )
        ).to_series()
        if not is_certain.all():
            suspects = sorted([*suspects, *places.filter(~is_certain)])
            values, places = values.filter(is_certain), places.filter(is_certain)
        if len(suspects) > _MOST_SUSPECTS * len(columns.lines):
            return None
        encoded = encode_rows(values, self.codecs)
        return Prepared(block, values, places, suspects, columns.lines, encoded)


class Bulk:
    """Write prepared blocks into the target, in the caller's transaction."""

    def __init__(
        self,
        cursor: Cursor,
        table: TargetTable,
        columns: Sequence[TargetColumn],
        plan: BulkPlan,
        savepoint: Savepoint,
    ) -> None:
        """Prepare the COPY."""
        self._cursor = cursor
        self._plan = plan
        self._savepoint = savepoint
        self._violations = Violations(cursor, table, columns)
        self._keeps_order = table.has_order_dependent_constraints
        self._copy = (
            sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)")
            .format(table.identifier, column_list(columns))
            .as_string(cursor)
        )
        self._look_first = False

    def write(self, prepared: Prepared) -> list[Record] | None:
        """Copy the block's certain rows; return its other records, to be judged one by one.

        None means that nothing was written and that the block has to go another way.
        """
        suspects = self._plan.records(prepared, prepared.suspects)
        if self._keeps_order and not self._are_refused(suspects):
            return None
        rows, looks_first = prepared.values, self._look_first
        if not looks_first and self._try_copy(prepared.encoded, rows.height):
            return suspects
        kept_back = self._find_violators(prepared)
        if kept_back is None:
            return None
        self._look_first = len(kept_back) > 0
        if not self._look_first:
            # What has broken just now would only break again.
            is_written = looks_first and self._try_copy(prepared.encoded, rows.height)
            return suspects if is_written else None
        is_kept_back = pl.int_range(rows.height, eager=True).is_in(kept_back.implode())
        certain = rows.filter(~is_kept_back)
        if not self._try_copy(encode_rows(certain, self._plan.codecs), certain.height):
            return None
        violators = self._plan.records(prepared, prepared.places.filter(is_kept_back).to_list())
        return sorted([*suspects, *violators], key=lambda record: record.byte_offset)

    def _find_violators(self, prepared: Prepared) -> pl.Series | None:
        """Return which rows (from 0) a constraint refuses, None when that cannot be asked."""
        try:
            with self._savepoint as before:
                return self._violations.find(prepared.encoded, before)
        except psycopg2.Error as exc:
            # An expression that cannot be asked of a copy of the row (class 42) is no reason to fail.
            if not is_row_error(exc.pgcode) and (exc.pgcode or "")[:2] != "42":
                raise
            return None

    def _are_refused(self, suspects: Sequence[Record]) -> bool:
        """Tell whether Postgres refuses each record whatever stands in the table."""
        sound = [record for record in suspects if record.fault is None]
        if not sound:
            return True
        with self._savepoint as before:
            return self._violations.are_misspelt(sound, before)

    def _try_copy(self, encoded: bytes, count: int) -> bool:
        """Copy so many rows; undo it and return False when one of them is refused."""
        try:
            with self._savepoint as before:
                if copy_in(self._cursor, before + self._copy, encoded) != count:
                    raise _RowsWithheld
        except _RowsWithheld:
            return False
        except psycopg2.Error as exc:
            if not is_row_error(exc.pgcode):
                raise
            return False
        return True


class _RowsWithheld(Exception):
    """Fewer rows were written than sent."""


def plan_bulk(
    table: TargetTable,
    columns: Sequence[TargetColumn],
    definition: DatasetDefinition,
    max_record_bytes: int,
) -> BulkPlan | None:
    """Return how to load by columns, or None when mode, target, dialect or types do not allow it."""
    reader = ColumnReader(definition.format, len(columns), max_record_bytes)
    codecs = [find_codec(column, definition.time_zone) for column in columns]
    certain = [codec for codec in codecs if codec is not None]
    if (
        definition.mode is LoadMode.UPSERT
        or not reader.is_possible
        or len(certain) < len(columns)
        or must_go_one_by_one(table, columns, definition.mode)
    ):
        return None
    splitter = RecordSplitter(
        definition.format, width=len(columns), max_record_bytes=max_record_bytes
    )
    return BulkPlan(reader, certain, splitter)
