"""Choose the strategy by which a load gets its records into the target, and start over by another one where it has to.

replace: compared with the target ──► compared, with its unique indexes ──► deleted and inserted
upsert:  appended, into an empty table ──► staged ──► record by record
append:  at once
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from libs.common.enums import LoadMode, Write
from libs.common.logs import get_logger
from libs.common.postgres.target_table import TargetTable
from services.loader.changes.replacement import Replacement, find_rules
from services.loader.changes.row_changes import RowChanges
from services.loader.changes.rules import ComparisonRules, NotCompared
from services.loader.load_errors import MostRowsDiffer, RowsRepeated, StagedRowsRefused
from services.loader.load_target import LoadTarget
from services.loader.pipeline import LoadPipeline, open_pipeline
from services.loader.savepoint import Savepoint
from services.loader.target import has_no_rows

log = get_logger(__name__)

Probe: TypeAlias = Callable[[Savepoint], None]
"""Looks at what is written so far, in a block of the load's savepoint, and may raise."""

_ALL_WANTED = NotCompared("the dataset says 'write': 'all'")
_COLUMNS_LOST = NotCompared("columns that the last load had take their defaults")
_DIFFERENT = NotCompared("most of the first rows differ from those of the table")
_REFUSED = NotCompared("Postgres refused rows that differ, and does not say which")


@dataclass(frozen=True, slots=True)
class LoadSteps:
    """What a load does by every strategy: write all its records, undo all of that, see whether it has to stop.

    `write` calls the probe, if there is one, when it has written some of more records.
    """

    write: Callable[[LoadPipeline, Probe | None], None]
    undo: Callable[[], None]
    check: Callable[[], None]

    def start_over(self, table: TargetTable, error: StagedRowsRefused) -> None:
        """Undo all that was written, for another strategy."""
        log.info("load_started_over", table=table.name, reason=type(error).__name__)
        self.undo()


class Loaded(NamedTuple):
    """How the records were written, and what that changed in the table where it is known."""

    pipeline: LoadPipeline
    changes: RowChanges | None = None


def load_records(target: LoadTarget, steps: LoadSteps) -> Loaded:
    """Write every record by the first strategy that does."""
    if target.definition.mode is LoadMode.REPLACE:
        return _replace(target, steps)
    if target.definition.mode is LoadMode.UPSERT:
        return _upsert(target, steps)
    return _write(target, steps)


def _write(target: LoadTarget, steps: LoadSteps, *, by_blocks: bool = True) -> Loaded:
    """Write every record; raises `StagedRowsRefused` where rows are put together."""
    pipeline = open_pipeline(target, by_blocks=by_blocks)
    steps.write(pipeline, None)
    return Loaded(pipeline, pipeline.changes)


def _upsert(target: LoadTarget, steps: LoadSteps) -> Loaded:
    """Append to a table without rows; stage the rows of others, or where a key comes again."""
    # What an INSERT … ON CONFLICT does to triggers an INSERT does not.
    if not target.table.has_user_triggers and has_no_rows(target.cursor, target.table):
        try:
            return _write(replace(target, appends_new_keys=True), steps)
        except RowsRepeated as exc:
            steps.start_over(target.table, exc)
    try:
        return _write(target, steps)
    except StagedRowsRefused as exc:
        steps.start_over(target.table, exc)
        return _write(target, steps, by_blocks=False)


def _replace(target: LoadTarget, steps: LoadSteps) -> Loaded:
    """Write what differs, or everything where that is not known or ends otherwise."""
    rules = _rules_of(target)
    if isinstance(rules, ComparisonRules):
        loaded = _replace_changes(target, steps, rules)
        if isinstance(loaded, Loaded):
            return loaded
        rules = loaded
    pipeline = _write(target, steps).pipeline
    return Loaded(replace(pipeline, path=pipeline.path.all_written(rules.reason)))


def _rules_of(target: LoadTarget) -> ComparisonRules | NotCompared:
    if target.definition.write is Write.ALL:
        return _ALL_WANTED
    if target.has_lost_columns:
        return _COLUMNS_LOST
    return find_rules(target.cursor, target.table, target.columns, target.part)


def _replace_changes(
    target: LoadTarget, steps: LoadSteps, rules: ComparisonRules
) -> Loaded | NotCompared:
    """Write what differs, or say why not. Keys that come again cost a second start."""
    for has_indexes in (False, True):
        try:
            return _replace_once(target, steps, rules, has_indexes=has_indexes)
        except RowsRepeated as exc:
            steps.start_over(target.table, exc)
        except StagedRowsRefused as exc:
            steps.start_over(target.table, exc)
            return _DIFFERENT if isinstance(exc, MostRowsDiffer) else _REFUSED
    return _REFUSED


def _replace_once(
    target: LoadTarget, steps: LoadSteps, rules: ComparisonRules, *, has_indexes: bool
) -> Loaded:
    """Write what differs; raises `StagedRowsRefused`."""
    replacement = Replacement(
        target.cursor,
        target.table,
        target.columns,
        target.part,
        rules,
        has_indexes=has_indexes,
    )
    pipeline = open_pipeline(replace(target, table=replacement.stand_in))
    steps.write(pipeline, replacement.probe)
    return Loaded(pipeline, replacement.write(target.settings.comparison_bytes, steps.check))
