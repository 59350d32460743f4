"""Wire the block path: plan (in a thread) ──► block writer ──► sink: the target, or a staging table of an upsert."""

from dataclasses import dataclass

from libs.common.datasets.column_options import DATA_DATE
from libs.common.postgres.copy.column_types import Comparison, Limit
from libs.common.postgres.target_checks import check_key
from services.loader.blocks.block_plans import plan_blocks, why_not_blocks
from services.loader.blocks.cell_types import CellTypes
from services.loader.blocks.constraint_checks import Violations
from services.loader.blocks.preparation import BlockPlan
from services.loader.blocks.row_order import RowOrder
from services.loader.blocks.sink import Sink, Target
from services.loader.blocks.slice_filter import read_bounds
from services.loader.blocks.staging import Staging, can_stage
from services.loader.blocks.type_checks import Inputs
from services.loader.blocks.writer import BlockWriter
from services.loader.load_target import LoadTarget
from services.loader.rows.append import Writer
from services.loader.rows.single_insert import SingleRowWriter
from services.loader.rows.upsert import Upserter
from services.loader.savepoint import Savepoint

_SLICE_NOT_COMPARED = "the day of the slice has no bounds of the column's type"
_NOT_STAGED = "equal keys may be written differently, or a second unique index may refuse a row"


@dataclass(frozen=True, slots=True)
class BlockPath:
    """How whole blocks reach the target."""

    plan: BlockPlan
    writer: BlockWriter
    sink: Sink


def open_block_path(
    target: LoadTarget, writer: Writer, single_row: SingleRowWriter, savepoint: Savepoint
) -> BlockPath | str:
    """Prepare the block path of a load, or say why it cannot take it."""
    reason = why_not_blocks(target.shape, target.definition)
    if reason is not None:
        return reason
    limits = _limits_of(target)
    if limits is None:
        return _SLICE_NOT_COMPARED
    sink = _open_sink(target, writer)
    if sink is None:
        return _NOT_STAGED
    return _wire(target, sink, limits, single_row, savepoint)


def _wire(
    target: LoadTarget,
    sink: Sink,
    limits: list[Limit],
    single_row: SingleRowWriter,
    savepoint: Savepoint,
) -> BlockPath:
    """Put the path together."""
    cursor, table, columns = target.cursor, target.table, target.columns
    order = RowOrder.of(table, columns, target.mode)
    is_unique_asked = order is not RowOrder.BY_LINE
    violations = Violations(cursor, table, columns, target.part, is_unique_asked=is_unique_asked)
    plan = plan_blocks(
        order,
        target.shape,
        violations.checks,
        target.definition,
        target.settings.max_record_bytes,
        limits,
        target.skips,
    )
    writer = BlockWriter(
        cursor,
        order,
        sink,
        CellTypes(cursor, plan.unread, Inputs(cursor, columns), savepoint),
        violations,
        single_row,
        savepoint,
        covers_all_checks=plan.covers_all_checks,
    )
    return BlockPath(plan, writer, sink)


def _limits_of(target: LoadTarget) -> list[Limit] | None:
    """Return by which limits rows outside a slice are noticed in a block; None where they cannot be."""
    part, columns = target.part, target.columns
    if part is None:
        return []
    added = target.definition.add.get(part.column.name)
    if added is not None:
        return [] if added == DATA_DATE and part.column.type == "date" else None
    bounds = read_bounds(target.cursor, part)
    if bounds is None:
        return None
    place = next(i for i, column in enumerate(columns) if column == part.column)
    least, below = bounds
    return [Limit(place, Comparison.AT_LEAST, least), Limit(place, Comparison.BELOW, below)]


def _open_sink(target: LoadTarget, writer: Writer) -> Sink | None:
    """Return where blocks go, or None when they cannot be put together."""
    cursor, table, columns = target.cursor, target.table, target.columns
    if not isinstance(writer, Upserter):
        return Target(cursor, table, columns)
    key = check_key(table, target.definition.key)
    if not can_stage(cursor, table, key):
        return None
    return Staging(cursor, table, columns, key, writer, target.settings)
