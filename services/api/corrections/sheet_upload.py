"""Write into the draft of a job what people have changed in the sheet of its corrections: all of it, or nothing.

    sheet ──rows──► compared with the failed row, its draft and the version seen ──► corrections written, taken back

A row as it was shown changes nothing, whoever has corrected it since. One that was changed must have the version that
is there now.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from libs.common.errors import BadInput
from libs.common.ledger.audit import Actor
from libs.common.ledger.models import Correction, FailedRow, Job
from services.api.corrections.draft import audit, describe_change, remove, save
from services.api.corrections.record_cells import replay_dialect
from services.api.corrections.row_states import RowReader, RowState
from services.api.corrections.rule_runs import MOST_ROWS
from services.api.corrections.selection import rows_with_drafts
from services.api.corrections.sheet import SheetRow, sheet_columns
from services.api.corrections.sheet_file import SheetRefused, read_sheet
from services.api.exports.csv_report import require_header
from services.api.exports.dialects import masks_columns
from services.api.exports.row_stream import read_page

_BATCH_ROWS, _BATCH_CHARACTERS = 1_000, 4 << 20
_SHOWN = 5
_PROGRAM_LIMITS = frozenset({32_767, 65_535})
"""Characters that spreadsheets keep of one cell."""


@dataclass
class SheetResult:
    """How many rows a sheet had, and how many corrections it has written and taken back."""

    rows: int = 0
    changed: int = 0
    removed: int = 0


@dataclass
class _Changes:
    """What a batch of rows changes, and why others of it cannot be taken."""

    corrections: list[Mapping[str, Any]] = field(default_factory=list)
    taken_back: list[int] = field(default_factory=list)
    refused: list[SheetRefused] = field(default_factory=list)


def upload_sheet(
    session: Session, actor: Actor, job: Job, path: Path, files: Sequence[str]
) -> SheetResult:
    """Write a sheet into the draft, whose lock the caller holds; `files` are the paths of the job's files.

    Raises `BadInput` that names the lines which cannot be taken.
    """
    reader = RowReader(require_header(job), replay_dialect(session, job), masks_columns(job))
    columns = sheet_columns(reader.header, files)
    result = SheetResult()
    for batch in _batches(read_sheet(path, columns, len(reader.header))):
        changes = _compare(session, job, reader, batch)
        _refuse(changes.refused)
        if changes.corrections:
            save(session, actor, job.id, changes.corrections)
        result.rows += len(batch)
        result.changed += len(changes.corrections)
        result.removed += remove(session, job.id, changes.taken_back)
    if result.changed or result.removed:
        audit(session, actor, job.id, rows=result.changed, removed=result.removed, by="sheet")
    return result


def _batches(rows: Iterable[SheetRow]) -> Iterator[dict[int, SheetRow]]:
    """Yield rows by their place, as many as the memory has room for."""
    batch: dict[int, SheetRow] = {}
    lines: dict[int, int] = {}
    held = 0
    for row in rows:
        _refuse_place(row, lines)
        batch[row.place] = row
        held += row.size
        if len(batch) >= _BATCH_ROWS or held >= _BATCH_CHARACTERS:
            yield batch
            batch, held = {}, 0
    if batch:
        yield batch


def _refuse_place(row: SheetRow, lines: dict[int, int]) -> None:
    """Refuse a row that comes again, and more rows than one request may hold the draft's lock for."""
    first = lines.setdefault(row.place, row.line)
    if first != row.line:
        raise SheetRefused(
            row.line, f"it is the failed row of line {first} again; keep one of them"
        )
    if len(lines) > MOST_ROWS:
        raise BadInput(
            "too-many-rows",
            f"a sheet takes {MOST_ROWS:,} rows at most, and these are more; send it in parts, or get one of fewer "
            "rows by `error_code`, `column` or `text`",
        )


def _compare(
    session: Session, job: Job, reader: RowReader, batch: Mapping[int, SheetRow]
) -> _Changes:
    changes = _Changes()
    unknown = dict(batch)
    for row, draft in _failed_rows(session, job, batch):
        sent = unknown.pop(row.byte_offset)
        try:
            _add(changes, reader, row, draft, sent)
        except SheetRefused as exc:
            changes.refused.append(exc)
        except BadInput as exc:
            changes.refused.append(SheetRefused(sent.line, exc.message))
    for sent in unknown.values():
        reason = f"job {job.id} has no failed row {sent.place} that a replay would load"
        changes.refused.append(SheetRefused(sent.line, reason))
    return changes


def _failed_rows(
    session: Session, job: Job, places: Iterable[int]
) -> Iterator[tuple[FailedRow, Correction | None]]:
    """Yield the failed rows of places with their drafts, a page after the other: they may be large."""
    query = rows_with_drafts(job.id, FailedRow.byte_offset.in_(list(places)))
    query = query.order_by(FailedRow.byte_offset)
    after, has_more = -1, True
    while has_more:
        page = query.where(FailedRow.byte_offset > after)
        rows, has_more = read_page(session, page, _BATCH_ROWS)
        for row, draft in map(tuple, rows):
            after = row.byte_offset
            yield row, draft


def _add(
    changes: _Changes,
    reader: RowReader,
    row: FailedRow,
    draft: Correction | None,
    sent: SheetRow,
) -> None:
    """Add what a row changes; raise `BadInput` where that cannot be taken."""
    came = reader.as_it_came(row)
    now = reader.as_drafted(came, draft)
    if sent.state(now) == now:
        return
    if sent.version != (draft.version if draft else None):
        if sent.version is None and sent.state(came) == came:
            return  # another one has corrected it, this one has not
        raise SheetRefused(
            sent.line, f"somebody was faster: {describe_change(row.byte_offset, draft)}"
        )
    wanted = sent.state(now)
    if wanted is None:
        raise SheetRefused(sent.line, _describe_form(now))
    _refuse_cut(sent.line, row, now, wanted)
    correction = reader.correction(came, wanted)
    if correction is None:
        changes.taken_back.append(row.byte_offset)
    else:
        changes.corrections.append({"place": row.byte_offset, **correction})


def _describe_form(now: RowState) -> str:
    if now.cells is None:
        return (
            "this row is not cut into cells: correct it in adsp_record, as it would stand in the file, and leave its "
            "cells empty"
        )
    return "this row is cut into cells: correct these, and leave adsp_record empty"


def _refuse_cut(line: int, row: FailedRow, now: RowState, wanted: RowState) -> None:
    """Refuse a text of which the sheet, or a program, has kept the start alone."""
    if wanted.record != now.record and now.is_start and row.record_bytes is None:
        raise SheetRefused(
            line,
            "the sheet holds only the start of this record; correct it in the file that GET "
            "failed-rows?format=source gives, or leave it out",
        )
    pairs = [(wanted.record, now.record), *zip(wanted.cells or (), now.cells or (), strict=False)]
    if any(_is_cut(sent or "", seen or "") for sent, seen in pairs):
        raise SheetRefused(
            line,
            "a cell ends where the program that wrote the sheet cuts cells, which has lost the rest; correct this row "
            "elsewhere",
        )


def _is_cut(sent: str, seen: str) -> bool:
    return len(sent) in _PROGRAM_LIMITS and sent != seen and seen.startswith(sent)


def _refuse(refused: list[SheetRefused]) -> None:
    if not refused:
        return
    refused.sort(key=lambda each: each.line)
    lines = "; ".join(f"line {each.line}: {each.reason}" for each in refused[:_SHOWN])
    more = f"; and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    raise BadInput(
        "sheet-refused",
        f"nothing was written. These lines of the sheet cannot be taken: {lines}{more}",
    )
