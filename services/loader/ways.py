"""Wire the ways by which the records of one load reach its target.

by blocks: plan (in a thread) ──► settling ──► sink: the target, or a staging table of an upsert
by records: splitter ──► narrowing ──► writer and judge
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from libs.common.catalog import MOST_COLUMNS, TargetColumn, TargetTable, check_key
from libs.common.datasets import DatasetDefinition
from libs.common.records import RecordSplitter
from libs.common.slices import Slice
from services.loader.encoding.blocks import BlockPlan, plan_blocks
from services.loader.encoding.shapes import Comparison, Limit
from services.loader.judging.inputs import Inputs
from services.loader.judging.judge import Judge
from services.loader.judging.narrowing import Narrowing
from services.loader.judging.settling import Settling
from services.loader.judging.slices import SliceGate, read_bounds
from services.loader.judging.violations import Violations
from services.loader.postgres.session import Savepoint
from services.loader.settings import LoaderSettings
from services.loader.writing.staging import Staging, may_stage
from services.loader.writing.target import make_writer, must_go_one_by_one
from services.loader.writing.upserter import Upserter
from services.loader.writing.writers import Sink, Target, Writer


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways of one load; without `plan` and `settling` all goes by records."""

    splitter: RecordSplitter
    writer: Writer
    judge: Judge
    savepoint: Savepoint
    narrowing: Narrowing
    judging: Narrowing
    """For what is left of a prepared block: mostly refused, so that no COPY is worth a try."""
    plan: BlockPlan | None
    settling: Settling | None

    def flush(self, *, is_last: bool) -> None:
        """Have all that was written by blocks in the target; records may follow unless it `is_last`."""
        if self.settling is not None:
            self.settling.flush(is_last=is_last)


def open_ways(
    cursor: Cursor,
    table: TargetTable,
    columns: Sequence[TargetColumn],
    definition: DatasetDefinition,
    settings: LoaderSettings,
    part: Slice | None = None,
    *,
    by_blocks: bool = True,
) -> Ways:
    """Prepare a load of these columns; for a replace, the old rows go, those of a slice if only that is replaced."""
    writer = make_writer(cursor, table, columns, definition, part)
    savepoint = Savepoint(cursor)
    gate = SliceGate(cursor, columns, part, savepoint) if part else None
    judge = Judge(cursor, table, columns, writer, savepoint)
    one_by_one = must_go_one_by_one(table, columns, definition.mode)
    window, cap = settings.block_rows, settings.max_record_bytes
    plan, settling = None, None
    # Blocks are asked about, and staged, in tables that have a column more.
    by_blocks = by_blocks and len(columns) < MOST_COLUMNS
    sink = _open_sink(cursor, table, columns, definition, writer) if by_blocks else None
    if sink is not None:
        violations = Violations(
            cursor, table, columns, part, is_unique_asked=not isinstance(writer, Upserter)
        )
        inputs = Inputs(cursor, columns)
        limits = _limits_of(cursor, columns, part)
        if limits is not None:
            plan = plan_blocks(table, columns, violations.checks, definition, cap, limits)
        if plan is not None:
            settling = Settling(cursor, plan, sink, inputs, violations, judge, savepoint)
    return Ways(
        RecordSplitter(
            definition.format,
            width=len(columns),
            max_record_bytes=cap,
            kept_record_bytes=settings.max_failed_record_bytes,
        ),
        writer,
        judge,
        savepoint,
        Narrowing(writer, judge, savepoint, window, gate, one_by_one=one_by_one),
        Narrowing(writer, judge, savepoint, window, gate, one_by_one=True),
        plan,
        settling,
    )


def _limits_of(
    cursor: Cursor, columns: Sequence[TargetColumn], part: Slice | None
) -> list[Limit] | None:
    """Return by which limits rows outside a slice are noticed in a block; None where they cannot be."""
    if part is None:
        return []
    bounds = read_bounds(cursor, part)
    if bounds is None:
        return None
    place = next(i for i, column in enumerate(columns) if column == part.column)
    least, below = bounds
    return [Limit(place, Comparison.AT_LEAST, least), Limit(place, Comparison.BELOW, below)]


def _open_sink(
    cursor: Cursor,
    table: TargetTable,
    columns: Sequence[TargetColumn],
    definition: DatasetDefinition,
    writer: Writer,
) -> Sink | None:
    """Return where blocks go, or None when they cannot be put together."""
    if not isinstance(writer, Upserter):
        return Target(cursor, table, columns)
    key = check_key(table, definition.key)
    return Staging(cursor, table, columns, key, writer) if may_stage(cursor, table, key) else None
