"""Wire the ways by which the records of one load reach its target.

by blocks: plan (in a thread) ──► settling ──► sink: the target, or a staging table of an upsert
by records: splitter ──► narrowing ──► writer and judge
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from libs.common.csv.records import RecordSplitter
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.slices import Slice
from libs.common.postgres.copy.column_types import Comparison, Limit
from libs.common.postgres.target_table import TargetColumn, TargetTable, check_key
from services.loader.blocks.constraint_checks import Violations
from services.loader.blocks.preparation import BlockPlan, plan_blocks, why_not_blocks
from services.loader.blocks.sink import Sink, Target
from services.loader.blocks.slice_filter import SliceGate, read_bounds
from services.loader.blocks.staging import Staging, may_stage
from services.loader.blocks.type_checks import Inputs
from services.loader.blocks.writer import Settling
from services.loader.load_paths import LoadPath, PathTaken
from services.loader.rows.append import Writer
from services.loader.rows.bisection import Narrowing
from services.loader.rows.single_insert import Judge
from services.loader.rows.upsert import Upserter
from services.loader.session import Savepoint
from services.loader.settings import LoaderSettings
from services.loader.target import make_writer, why_one_by_one

_SLICE_NOT_COMPARED = "the day of the slice has no bounds of the column's type"
_NOT_STAGED = "equal keys may be written differently, or a second unique index may refuse a row"
_STARTED_OVER = (
    "Postgres refused rows of an upsert that had been put together, and does not say which"
)


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
    path: PathTaken

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
    why_singly = why_one_by_one(table, columns, definition.mode)
    reason = why_singly or why_not_blocks(columns, definition)
    window, cap = settings.block_rows, settings.max_record_bytes
    plan, settling, sink = None, None, None
    limits = _limits_of(cursor, columns, part) if by_blocks and reason is None else []
    if not by_blocks:
        reason = reason or _STARTED_OVER
    elif limits is None:
        reason = _SLICE_NOT_COMPARED
    elif reason is None:
        sink = _open_sink(cursor, table, columns, definition, writer)
        reason = _NOT_STAGED if sink is None else None
    if sink is not None:
        violations = Violations(
            cursor, table, columns, part, is_unique_asked=not isinstance(writer, Upserter)
        )
        inputs = Inputs(cursor, columns)
        plan = plan_blocks(table, columns, violations.checks, definition, cap, limits or ())
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
        Narrowing(writer, judge, savepoint, window, gate, one_by_one=why_singly is not None),
        Narrowing(writer, judge, savepoint, window, gate, one_by_one=True),
        plan,
        settling,
        _name_path(reason, is_singly=why_singly is not None),
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
) -> Sink | None:
    """Return where blocks go, or None when they cannot be put together."""
    if not isinstance(writer, Upserter):
        return Target(cursor, table, columns)
    key = check_key(table, definition.key)
    return Staging(cursor, table, columns, key, writer) if may_stage(cursor, table, key) else None
