"""Run a rule over the failed rows of a group: show what it would change, or write that into the draft."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy.orm import Session

from libs.common.csv.dialect import FileFormat
from libs.common.errors import BadInput
from libs.common.ledger.audit import Actor
from libs.common.ledger.models import Correction, FailedRow, Job
from services.api.corrections.draft import audit, save
from services.api.corrections.record_cells import (
    Cells,
    place_of_cell,
    read_cells,
    replay_dialect,
    write_record,
)
from services.api.corrections.rules import Rule
from services.api.corrections.selection import Filter, rows_with_drafts
from services.api.exports.csv_report import require_header
from services.api.uploads.replayed_files import ROWS_AT_A_TIME

MOST_ROWS = 100_000
_BATCH = 1_000


@dataclass(frozen=True)
class Example:
    """One row that a rule changes."""

    row: FailedRow
    before: str | None
    after: str | None


@dataclass
class RuleRun:
    """What a rule makes of a group: how many rows it was given, how many it changes, and the first of them.

    `unreadable` rows cannot be cut into cells, `whole` ones have a correction of the whole record, or are discarded:
    a rule leaves both alone.
    """

    rows: int = 0
    changed: int = 0
    unreadable: int = 0
    whole: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class GroupRule:
    """A rule, the cell that it changes, and the rows that it is for."""

    rule: Rule
    cell: str
    where: Filter


def run_rule(
    session: Session, job: Job, asked: GroupRule, most_examples: int, actor: Actor | None
) -> RuleRun:
    """Run the rule; with an `actor` what it changes is written, by a caller who holds the draft's lock."""
    run = RuleRun()
    changes = _changes(session, job, asked, run, most_examples)
    while batch := list(islice(changes, _BATCH)):
        if actor is not None:
            save(session, actor, job.id, batch)
    if actor is not None:
        audit(session, actor, job.id, rule=asked.rule.kind, cell=asked.cell, rows=run.changed)
    return run


def drafted_cells(
    row: FailedRow, draft: Correction | None, header: Sequence[str], dialect: FileFormat
) -> Cells | None:
    """Return a row's cells with what its draft has changed, None where there are none to change."""
    cells = None if row.record_bytes is not None else read_cells(row.raw, header, dialect)
    if cells is None or len(cells) > len(header):
        return None
    for name, text in (draft.cells or {} if draft else {}).items():
        cells[place_of_cell(header, name)] = text
    return cells


def _changes(
    session: Session, job: Job, asked: GroupRule, run: RuleRun, most_examples: int
) -> Iterator[Mapping[str, Any]]:
    """Yield the correction of each row that the rule changes, counting as it goes."""
    dialect, header = replay_dialect(session, job), require_header(job)
    place = place_of_cell(header, asked.cell)
    query = rows_with_drafts(job.id, *asked.where.conditions(dialect.encoding))
    ordered = query.order_by(FailedRow.byte_offset).limit(MOST_ROWS + 1)
    for row, draft in session.execute(ordered.execution_options(yield_per=ROWS_AT_A_TIME)):
        run.rows += 1
        _refuse_too_many(run.rows)
        if draft is not None and draft.cells is None:
            run.whole += 1
            continue
        cells = drafted_cells(row, draft, header, dialect)
        if cells is None:
            run.unreadable += 1
            continue
        before, cells[place] = cells[place], asked.rule.apply(cells[place])
        if cells[place] == before:
            continue
        write_record(cells, header, dialect)  # raises for what the file cannot hold
        run.changed += 1
        if len(run.examples) < most_examples:
            run.examples.append(Example(row, before, cells[place]))
        changed = {**((draft.cells or {}) if draft else {}), asked.cell: cells[place]}
        yield {"place": row.byte_offset, "cells": changed, "record": None, "discarded": False}


def _refuse_too_many(rows: int) -> None:
    if rows > MOST_ROWS:
        raise BadInput(
            "too-many-rows",
            f"a rule takes {MOST_ROWS:,} rows at most, and these are more; name an `error_code`, a `column` or a "
            "`text` that fewer rows have, or export the rows (?format=source), correct the file and replay it",
        )
