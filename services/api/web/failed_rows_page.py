"""Show the failed rows of a job under their header, the bad cell marked, as the draft has them by now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.csv.dialect import FileFormat
from libs.common.enums import HeaderMatch, Scope
from libs.common.errors import Conflict
from libs.common.ledger.models import Correction, FailedRow, Job
from services.api.corrections.draft import draft_version, find_replay, require_correctable
from services.api.corrections.record_cells import Cells, read_cells
from services.api.corrections.selection import Filter, failed_rows_with_drafts
from services.api.dependencies import Wired
from services.api.exports.dialects import definition_of
from services.api.exports.row_stream import read_page
from services.api.pagination import Order, PageQuery, paginate
from services.api.routes.job_files import paths_of
from services.api.schemas import place_of, render_raw
from services.api.security.caller import Reader
from services.api.web.forms import without_empty
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)

MOST_COLUMNS = 30
_SHOWN_CHARACTERS = 120
_SHOWN_RECORD = 600
_CUT_LARGER = 1 << 16
"""Bytes of a record: of a larger one only the start is shown, and no cells."""


class FailedRowsQuery(Filter, PageQuery):
    """Which failed rows to show."""

    page_size: int = 20
    _drop_empty = without_empty


@dataclass(frozen=True)
class DraftedRow:
    """A failed row and its draft."""

    row: FailedRow
    draft: Correction | None

    @property
    def byte_offset(self) -> int:
        """Return its place in the order of the list."""
        return self.row.byte_offset


@dataclass(frozen=True)
class ShownCell:
    """One cell: as it is now, as it was if the draft changes it, and whether the reason is about it."""

    text: str | None
    before: str | None
    is_changed: bool
    is_bad: bool


@dataclass(frozen=True)
class ShownRow:
    """One failed row; without `cells` its record is shown as a whole."""

    row: FailedRow
    draft: Correction | None
    file: str
    line_number: int
    cells: Sequence[ShownCell] | None
    record: str


_IN_FILE_ORDER: Order[Any] = Order(FailedRow.byte_offset, int)


@router.get("/jobs/{job_id}/failed-rows")
def show_failed_rows(
    request: Request,
    dependencies: Wired,
    caller: Reader,
    job_id: UUID,
    asked: Annotated[FailedRowsQuery, Query()],
) -> HTMLResponse:
    """Show a page of failed rows, with what can be done to them."""
    filters = asked.model_dump(mode="json", include=set(Filter.model_fields), exclude_none=True)
    with dependencies.sessions() as session:
        job = caller.find_job(session, job_id)
        layout = RowLayout.of(job, paths_of(session, job))
        query = failed_rows_with_drafts(job_id, *asked.conditions(layout.dialect.encoding))
        scope = ("failed-rows page", job_id, *filters.items())
        rows = paginate(session, query, _IN_FILE_ORDER, asked, scope, layout.show, _read)
        replay = find_replay(session, job_id)
        version = draft_version(session, job_id)
        check = _last_check(session, job_id)
    return show_page(
        request,
        "failed_rows.html",
        job=job,
        rows=rows,
        filters=filters,
        query={**filters, "page_size": asked.page_size},
        job_path=f"/jobs/{job_id}",
        rule={},
        header=layout.header,
        columns=layout.columns,
        reasons=sorted(job.rejected_by_code),
        replay=replay,
        check=check,
        corrected=int(version.partition("-")[0]),
        may_submit=caller.may(Scope.SUBMIT, job.dataset),
        can_correct=_can_correct(job) and replay is None,
    )


def _can_correct(job: Job) -> bool:
    try:
        require_correctable(job)
    except Conflict:
        return False
    return True


@dataclass(frozen=True)
class RowLayout:
    """How the records of a job are cut, and which of their cells a page has room for."""

    header: Sequence[str]
    dialect: FileFormat
    paths: Sequence[str]
    columns: Sequence[int]
    bad_cells: dict[str, int]

    @classmethod
    def of(cls, job: Job, paths: Sequence[str]) -> Self:
        """Return the layout of a job's failed rows."""
        definition = definition_of(job)
        header = job.header or []
        ignores_case = definition.header_match is HeaderMatch.CASE_INSENSITIVE
        bad_cells: dict[str, int] = {}
        for place, name in enumerate(header):
            column = definition.columns.get(name, name) or ""
            bad_cells.setdefault(column, place)
            if ignores_case:
                bad_cells.setdefault(column.strip().lower(), place)
        columns = range(min(len(header), MOST_COLUMNS))
        return cls(header, definition.format, paths, columns, bad_cells)

    def show(self, drafted: DraftedRow) -> ShownRow:
        """Show a failed row."""
        row, draft = drafted.row, drafted.draft
        file, line_number, _ = place_of(row, self.paths)
        record = render_raw(row.raw[:_CUT_LARGER], self.dialect.encoding)[0]
        if draft is not None and draft.record is not None:
            record = draft.record
        cells = self._cells(row, draft)
        return ShownRow(row, draft, file, line_number, cells, cut(record, _SHOWN_RECORD))

    def before(self, row: FailedRow) -> Cells | None:
        """Return the cells of a row as they came, None where it has to be shown as a whole."""
        is_part = row.record_bytes is not None or len(row.raw) > _CUT_LARGER
        cells = (
            None if is_part or not self.header else read_cells(row.raw, self.header, self.dialect)
        )
        return cells if cells is not None and len(cells) == len(self.header) else None

    def bad_cell(self, row: FailedRow) -> int | None:
        """Return which cell the reason is about."""
        return self.bad_cells.get(row.column_name or "")

    def _cells(self, row: FailedRow, draft: Correction | None) -> list[ShownCell] | None:
        before = self.before(row)
        if before is None or (draft is not None and draft.record is not None):
            return None
        changed = (draft.cells if draft else None) or {}
        bad = self.bad_cell(row)
        shown = []
        for place, text in enumerate(before):
            name = self.header[place]
            now = changed.get(name, text)
            shown.append(
                ShownCell(cut(now), cut(text), is_changed=name in changed, is_bad=place == bad)
            )
        return shown


def cut(text: str | None, most: int = _SHOWN_CHARACTERS) -> Any:
    """Return the start of a text, marked where it goes on."""
    return text if text is None or len(text) <= most else text[:most] + "…"


def _read(session: Session, query: Any, most: int) -> tuple[Sequence[DraftedRow], bool]:
    rows, has_more = read_page(session, query, most)
    return [DraftedRow(row, draft) for row, draft in map(tuple, rows)], has_more


def _last_check(session: Session, job_id: UUID) -> Job | None:
    checks = select(Job).where(Job.replay_of == job_id, Job.dry_run)
    return session.scalars(checks.order_by(Job.id.desc()).limit(1)).first()
