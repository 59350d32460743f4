"""Prepare a block by columns: typed here where that is certain, the rest set apart for Postgres to judge.

    block ──columns──► canonical values ──rows──► binary COPY (`services.loader.settling`)
              ├── lines with too few or too many cells
              ├── doubts: cells in other spellings
              └── rows that a constraint is likely to refuse

Nothing here needs a connection, so it is done in a thread of its own while the block before is being copied.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.common import faults
from libs.common.catalog import TargetColumn, TargetTable
from libs.common.datasets import DatasetDefinition
from libs.common.frames import Block
from libs.common.lines import Lines, Positions
from libs.common.records import Record, RecordSplitter
from libs.common.states import LoadMode
from services.loader.codecs import BIGINT, Codec, find_codec
from services.loader.columns import ColumnReader, Columns
from services.loader.guesses import Suspicion, suspect
from services.loader.inputs import Doubt
from services.loader.rows import encode_rows
from services.loader.target import must_go_one_by_one
from services.loader.verdicts import Refusal

_MOST_DOUBTFUL = 0.5
"""With a greater share of doubtful lines in a block, columns gain nothing."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of values that are certain, with the lines of the block (from 0) that they stand on."""

    values: pl.DataFrame
    lines: Positions

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def keep(self, chosen: npt.NDArray[np.bool_]) -> "Rows":
        """Return the chosen rows."""
        return self if chosen.all() else Rows(self.values.filter(chosen), self.lines[chosen])

    def without(self, left_out: Sequence[int]) -> "Rows":
        """Return the rows without some of them (from 0)."""
        chosen = np.ones(len(self), np.bool_)
        chosen[list(left_out)] = False
        return self.keep(chosen)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A block as columns of values; everything that is not in `certain` is in one of the others.

    `encoded` is what the COPY of the certain rows takes.
    """

    block: Block
    lines: Lines
    certain: Rows
    encoded: bytes
    suspected: Rows
    doubts: list[Doubt]
    unfit: list[Refusal]


class BulkPlan:
    """How the blocks of one load become columns."""

    def __init__(
        self,
        reader: ColumnReader,
        codecs: Sequence[Codec],
        splitter: RecordSplitter,
        suspicion: Suspicion,
        *,
        has_lines: bool,
        keeps_order: bool,
        numbers_rows: bool,
    ) -> None:
        """Read with `reader`, type with one codec per column.

        With `has_lines` rows end with their line number, which keeps their order for them. Without, `keeps_order`
        says that the fate of a record depends on those before it, `numbers_rows` that rows may be counted as they
        are written.
        """
        self.has_lines = has_lines
        self.keeps_order = keeps_order and not has_lines
        self.numbers_rows = numbers_rows and not has_lines
        self.guesses_all = suspicion.is_complete
        self._codecs = codecs
        self._reader = reader
        self._splitter = splitter
        self._suspicion = suspicion

    def count_ends(self, data: bytes) -> int | None:
        """Return the number of line ends if each line is certainly one record."""
        return self._reader.count_ends(data)

    def prepare(self, block: Block) -> Prepared | None:
        """Return the block as values, or None when it is not of the common shape."""
        columns = self._reader.read(block.data) if block.frames is None else None
        if columns is None:
            return None
        values = pl.DataFrame(
            [
                codec.read(cells).alias(cells.name)
                for cells, codec in zip(columns.cells.iter_columns(), self._codecs, strict=True)
            ]
        )
        is_certain, doubts = _find_doubts(columns, values)
        doubtful = len(columns.unfit) + values.height - int(is_certain.sum())
        if doubtful > _MOST_DOUBTFUL * len(columns.lines):
            return None
        is_suspected = values.select(self._suspicion.is_refused).to_series().to_numpy() & is_certain
        rows = Rows(values, columns.places)
        certain = rows.keep(is_certain & ~is_suspected)
        return Prepared(
            block,
            columns.lines,
            certain,
            self.encode_for_copy(block, certain),
            rows.keep(is_suspected),
            doubts,
            self._unfit(columns),
        )

    def encode_for_copy(self, block: Block, rows: Rows) -> bytes:
        """Return rows as the sink takes them, with their line numbers if it wants them."""
        if not self.has_lines:
            return self.encode(rows)
        numbers = pl.Series("line", rows.lines + block.line_number)
        return encode_rows(rows.values.with_columns(numbers), [*self._codecs, BIGINT])

    def encode(self, rows: Rows) -> bytes:
        """Return rows as a table of the target's columns takes them."""
        return encode_rows(rows.values, self._codecs)

    def records(self, prepared: Prepared, lines: Sequence[int]) -> list[Record]:
        """Return lines of the block as records."""
        block, found = prepared.block, []
        begins, texts = prepared.lines.texts(lines)
        for line, begin, text in zip(lines, begins, texts, strict=True):
            offset, number = block.byte_offset + begin, block.line_number + line
            one = Block(offset, number, text, None, offset + len(text), number + 1)
            found += self._splitter.split(one)
        return found

    def _unfit(self, columns: Columns) -> list[Refusal]:
        """Return why lines have not the shape of a record."""
        found = [
            faults.wrong_count(count, len(self._codecs)) for count in columns.unfit_counts.tolist()
        ]
        return [
            Refusal(line, fault.code, None, None, fault.message)
            for line, fault in zip(columns.unfit.tolist(), found, strict=True)
        ]


def _find_doubts(
    columns: Columns, values: pl.DataFrame
) -> tuple[npt.NDArray[np.bool_], list[Doubt]]:
    """Return which rows are certain, and the cells of the others that have no certain value."""
    is_certain = np.ones(values.height, np.bool_)
    doubts: list[Doubt] = []
    for place, (cells, typed) in enumerate(
        zip(columns.cells.iter_columns(), values.iter_columns(), strict=True)
    ):
        if typed.null_count() == cells.null_count():
            continue
        rows = (typed.is_null() & cells.is_not_null()).arg_true().to_numpy()
        is_certain[rows] = False
        texts = cells.gather(rows).to_list()
        lines = columns.places[rows].tolist()
        doubts += [(line, place, text) for line, text in zip(lines, texts, strict=True)]
    return is_certain, doubts


def plan_bulk(
    table: TargetTable,
    columns: Sequence[TargetColumn],
    checks: Sequence[str],
    definition: DatasetDefinition,
    max_record_bytes: int,
) -> BulkPlan | None:
    """Return how to load by columns, or None when target, dialect or types do not allow it."""
    reader = ColumnReader(definition.format, len(columns), max_record_bytes)
    codecs = [find_codec(column, definition.time_zone) for column in columns]
    certain = [codec for codec in codecs if codec is not None]
    if (
        not reader.is_possible
        or len(certain) < len(columns)
        or must_go_one_by_one(table, columns, definition.mode)
    ):
        return None
    splitter = RecordSplitter(
        definition.format, width=len(columns), max_record_bytes=max_record_bytes
    )
    return BulkPlan(
        reader,
        certain,
        splitter,
        suspect(columns, checks),
        has_lines=definition.mode is LoadMode.UPSERT,
        keeps_order=table.has_order_dependent_constraints,
        numbers_rows=table.numbers_rows(columns),
    )
