"""Wire the paths by which the records of one load reach its target.

block path: plan (in a thread) ──► block writer ──► sink: the target, or a staging table of an upsert
row path: splitter ──► bisecting writer ──► writer, single inserts
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from libs.common.csv.records import RecordSplitter
from libs.common.csv.skipped_records import SkippedRecords
from libs.common.datasets.column_options import DATA_DATE
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.slices import Slice
from libs.common.enums import LoadPath
from libs.common.postgres.copy.column_types import Comparison, Limit
from libs.common.postgres.target_checks import check_key
from libs.common.postgres.target_table import TargetColumn, TargetTable
from services.loader.blocks.constraint_checks import Violations
from services.loader.blocks.preparation import BlockPlan, plan_blocks, why_not_blocks
from services.loader.blocks.sink import Sink, Target
from services.loader.blocks.slice_filter import SliceGate, read_bounds
from services.loader.blocks.staging import Staging, can_stage
from services.loader.blocks.type_checks import Inputs
from services.loader.blocks.writer import BlockWriter
from services.loader.cells.record_shape import RecordShape, ShapingSplitter, Splitter
from services.loader.changes.row_changes import RowChanges
from services.loader.load_paths import PathTaken
from services.loader.rows.append import Writer
from services.loader.rows.bisection import BisectingWriter
from services.loader.rows.single_insert import SingleRowWriter
from services.loader.rows.upsert import Upserter
from services.loader.savepoint import Savepoint, SavepointCursor
from services.loader.settings import LoaderSettings
from services.loader.target import make_writer, why_single_row_inserts

_SLICE_NOT_COMPARED = "the day of the slice has no bounds of the column's type"
_NOT_STAGED = "equal keys may be written differently, or a second unique index may refuse a row"
_STARTED_OVER = (
    "Postgres refused rows of an upsert that had been put together, and does not say which"
)


@dataclass(frozen=True, slots=True)
class LoadPipeline:
    """The paths of one load; without `plan` and `block_writer` all records take the row path."""

    splitter: Splitter
    writer: Writer
    single_row: SingleRowWriter
    savepoint: Savepoint
    bisecting: BisectingWriter
    single_rows: BisectingWriter
    """For what is left of a prepared block: mostly refused, so that no COPY is worth a try."""
    plan: BlockPlan | None
    block_writer: BlockWriter | None
    sink: Sink | None
    path: PathTaken

    @property
    def changes(self) -> RowChanges | None:
        """Return what has been changed in the target, where its sink knows."""
        return self.sink.changes if self.sink is not None else None

    def flush(self, *, is_last: bool) -> None:
        """Have all that was written by blocks in the target; records may follow unless it `is_last`."""
        if self.block_writer is not None:
            self.block_writer.flush(is_last=is_last)


def open_pipeline(
    cursor: SavepointCursor,
    table: TargetTable,
    shape: RecordShape,
    definition: DatasetDefinition,
    settings: LoaderSettings,
    part: Slice | None = None,
    skips: SkippedRecords | None = None,
    *,
    by_blocks: bool = True,
) -> LoadPipeline:
    """Prepare a load of such rows; for a replace, the old rows go, those of a slice if only that is replaced."""
    columns = shape.header.columns
    writer = make_writer(cursor, table, columns, definition, part)
    savepoint = Savepoint(cursor)
    gate = SliceGate(cursor, columns, part, savepoint) if part else None
    single_row = SingleRowWriter(cursor, table, columns, writer, savepoint)
    why_singly = why_single_row_inserts(table, columns, definition.mode)
    reason = why_singly or why_not_blocks(shape, definition)
    window, cap = settings.block_rows, settings.max_record_bytes
    plan, block_writer, sink = None, None, None
    limits = _limits_of(cursor, shape, definition, part) if by_blocks and reason is None else []
    if not by_blocks:
        reason = reason or _STARTED_OVER
    elif limits is None:
        reason = _SLICE_NOT_COMPARED
    elif reason is None:
        sink = _open_sink(cursor, table, columns, definition, writer, settings)
        reason = _NOT_STAGED if sink is None else None
    if sink is not None:
        violations = Violations(
            cursor, table, columns, part, is_unique_asked=not isinstance(writer, Upserter)
        )
        inputs = Inputs(cursor, columns)
        plan = plan_blocks(table, shape, violations.checks, definition, cap, limits or (), skips)
        block_writer = BlockWriter(cursor, plan, sink, inputs, violations, single_row, savepoint)
    return LoadPipeline(
        ShapingSplitter(
            RecordSplitter(
                definition.format,
                width=shape.header.width,
                max_record_bytes=cap,
                kept_record_bytes=settings.max_failed_record_bytes,
                skips=skips,
            ),
            shape,
        ),
        writer,
        single_row,
        savepoint,
        BisectingWriter(
            writer, single_row, savepoint, window, gate, one_by_one=why_singly is not None
        ),
        BisectingWriter(writer, single_row, savepoint, window, gate, one_by_one=True),
        plan,
        block_writer,
        sink,
        _name_path(reason, is_singly=why_singly is not None),
    )


def _limits_of(
    cursor: Cursor, shape: RecordShape, definition: DatasetDefinition, part: Slice | None
) -> list[Limit] | None:
    """Return by which limits rows outside a slice are noticed in a block; None where they cannot be."""
    if part is None:
        return []
    columns, added = shape.header.columns, definition.add.get(part.column.name)
    if added is not None:
        return [] if added == DATA_DATE and part.column.type == "date" else None
    bounds = read_bounds(cursor, part)
    if bounds is None:
        return None
    place = next(i for i, column in enumerate(columns) if column == part.column)
    least, below = bounds
    return [Limit(place, Comparison.AT_LEAST, least), Limit(place, Comparison.BELOW, below)]


def _name_path(reason: str | None, *, is_singly: bool) -> PathTaken:
    """Return the path that a reason against blocks leaves."""
    if reason is None:
        return PathTaken(LoadPath.BLOCKS)
    return PathTaken(LoadPath.SINGLY if is_singly else LoadPath.RECORDS, reason)


def _open_sink(
    cursor: Cursor,
    table: TargetTable,
    columns: Sequence[TargetColumn],
    definition: DatasetDefinition,
    writer: Writer,
    settings: LoaderSettings,
) -> Sink | None:
    """Return where blocks go, or None when they cannot be put together."""
    if not isinstance(writer, Upserter):
        return Target(cursor, table, columns)
    key = check_key(table, definition.key)
    if not can_stage(cursor, table, key):
        return None
    return Staging(cursor, table, columns, key, writer, settings)
