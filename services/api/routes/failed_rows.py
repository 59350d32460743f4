"""Show the failed rows of a job, in pages or as a CSV file to fix them in."""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query
from pydantic import Field
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from libs.common.enums import END_STATES, ErrorCode
from libs.common.ledger.models import FailedRow, Job
from libs.common.ledger.replays import IS_WHOLE, OPEN_ENDED
from services.api.corrections.selection import Filter
from services.api.dependencies import Dependencies, Wired
from services.api.exports.csv_report import (
    ExportResponse,
    export_rows,
    require_header,
)
from services.api.exports.dialects import definition_of, encoding_of, masks_columns
from services.api.exports.removed_rows import require_kept
from services.api.exports.row_stream import pages_of, read_page
from services.api.exports.source_file import source_blocks
from services.api.pagination import Order, Page, PageQuery, paginate
from services.api.responses import Responses, problems
from services.api.routes.job_files import paths_of
from services.api.schemas import FailedRowDocument
from services.api.security.caller import Caller, Reader

router = APIRouter(tags=["failed rows"])

_IN_FILE_ORDER = Order[FailedRow](FailedRow.byte_offset, int)


class FailedRowQuery(Filter, PageQuery):
    """Which failed rows to show, and how."""

    form: Literal["json", "csv", "source"] | None = Field(
        None,
        alias="format",
        description="csv: all of them at once with their reasons, to look at in a spreadsheet; source: header and "
        "records as in the source, to correct and send to the job's replay (`line-too-long` and `malformed-quote` "
        "ones come last; those with `kept_bytes` below `record_bytes` are left out and counted in the header "
        "`ADSP-Rows-Left-Out`); default: csv when `Accept` names text/csv and not JSON, else json.",
    )


_ANSWERS: Responses = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
    **problems(404, 409, 422, 503),
}


@router.get(
    "/v1/jobs/{job_id}/failed-rows",
    operation_id="listFailedRows",
    summary="List or export the failed rows of a job",
    response_model=Page[FailedRowDocument],
    responses=_ANSWERS,
)
def list_failed_rows(
    dependencies: Wired,
    caller: Reader,
    job_id: UUID,
    asked: Annotated[FailedRowQuery, Query()],
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Page[FailedRowDocument] | ExportResponse:
    """List failed rows in the order of the file."""
    form = asked.form or _preferred_form(accept)
    if form == "csv":
        return _export(dependencies, caller, job_id, asked)
    if form == "source":
        return _export_source(dependencies, caller, job_id, asked)
    return page_of_failed_rows(dependencies, caller, job_id, asked)


def page_of_failed_rows(
    dependencies: Dependencies, caller: Caller, job_id: UUID, asked: FailedRowQuery
) -> Page[FailedRowDocument]:
    """Return a page of a job's failed rows in the order of the file; raises `Conflict` when they were removed."""
    scope = ("failed-rows", job_id, asked.error_code, asked.column, asked.text)
    with dependencies.sessions() as session:
        job = _find_job(session, caller, job_id)
        query = _of_job(job, asked)
        show = partial(
            FailedRowDocument.of,
            encoding=encoding_of(job),
            paths=paths_of(session, job),
            is_masked=masks_columns(job),
        )
        read = _read_none if _is_without(job, asked.error_code) else _read_rows
        return paginate(session, query, _IN_FILE_ORDER, asked, scope, show, read)


def _find_job(session: Session, caller: Caller, job_id: UUID) -> Job:
    job = caller.find_job(session, job_id)
    require_kept(job)
    return job


def _read_rows(
    session: Session, query: Select[FailedRow], most: int
) -> tuple[Sequence[FailedRow], bool]:
    rows, has_more = read_page(session, query, most)
    return [row[0] for row in rows], has_more


def _read_none(
    _session: Session, _query: Select[FailedRow], _most: int
) -> tuple[Sequence[FailedRow], bool]:
    return [], False


def _is_without(job: Job, error_code: ErrorCode | None) -> bool:
    """Return whether an ended job has no failed row of this code: all of its rows would be gone through in vain."""
    return (
        error_code is not None
        and job.state in END_STATES
        and error_code.value not in job.rejected_by_code
    )


def _preferred_form(accept: str) -> Literal["json", "csv"]:
    """Return the form that an ``Accept`` header asks for; JSON unless it names CSV alone."""
    types = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return "csv" if "text/csv" in types and "application/json" not in types else "json"


def _export(
    dependencies: Dependencies, caller: Caller, job_id: UUID, asked: Filter
) -> ExportResponse:
    """Stream every failed row; what can be refused is refused before the first byte."""
    settings = dependencies.settings
    with dependencies.sessions() as session:
        job = _find_job(session, caller, job_id)
        paths = paths_of(session, job)
    blocks = export_rows(
        dependencies.sessions,
        _of_job(job, asked),
        job.header,
        definition_of(job).format,
        settings.max_record_bytes,
        paths,
        is_masked=masks_columns(job),
    )
    return ExportResponse(blocks, f"failed-rows-{job_id}.csv")


def _export_source(
    dependencies: Dependencies, caller: Caller, job_id: UUID, asked: Filter
) -> ExportResponse:
    """Stream the failed rows as a file like the one they came from."""
    with dependencies.sessions() as session:
        job = _find_job(session, caller, job_id)
        rows = _of_job(job, asked)
        left_out = session.scalars(_count(rows.where(~IS_WHOLE))).one()
    raws = rows.where(IS_WHOLE).with_only_columns(FailedRow.raw)
    sound = raws.where(FailedRow.error_code.not_in(OPEN_ENDED))
    open_ended = raws.where(FailedRow.error_code.in_(OPEN_ENDED))
    header = require_header(job)
    dialect = definition_of(job).format
    pages = chain(
        pages_of(dependencies.sessions, sound), pages_of(dependencies.sessions, open_ended)
    )
    blocks = source_blocks(chain.from_iterable(pages), header, dialect)
    answer = ExportResponse(blocks, f"failed-rows-{job_id}-source.csv")
    if left_out:
        answer.headers["ADSP-Rows-Left-Out"] = str(left_out)
    return answer


def _count(rows: Select[FailedRow]) -> Select[int]:
    return select(func.count()).select_from(rows.subquery())


def _of_job(job: Job, asked: Filter) -> Select[FailedRow]:
    conditions = asked.conditions(encoding_of(job))
    return select(FailedRow).where(FailedRow.job_id == job.id, *conditions)
