"""Correct the failed rows of a job in a spreadsheet: ``/v1/jobs/{id}/corrections.csv``.

GET the sheet, each row as the draft has it ──► a spreadsheet, an editor ──► POST it: what was changed is in the draft
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.api.corrections.draft import draft_version, lock_draft
from services.api.corrections.record_cells import replay_dialect
from services.api.corrections.row_states import RowReader
from services.api.corrections.schemas import UploadedSheet
from services.api.corrections.selection import Filter, rows_with_drafts
from services.api.corrections.sheet import write_sheet
from services.api.corrections.sheet_upload import upload_sheet
from services.api.dependencies import Dependencies, Wired
from services.api.exports.csv_report import ExportResponse, require_header
from services.api.exports.dialects import masks_columns
from services.api.exports.removed_rows import require_kept
from services.api.limits.body_limit import TAKES_FILE
from services.api.responses import Responses, problems
from services.api.routes.corrections import find_correctable
from services.api.routes.job_files import paths_of
from services.api.security.caller import Caller, Reader, Submitter
from services.api.uploads.receive import (
    empty_body,
    receive_file,
    refuse_declared_size,
    refuse_form,
)
from services.api.uploads.upload_area import StoredUpload

router = APIRouter(tags=["corrections"])

_PATH = "/v1/jobs/{job_id}/corrections.csv"
_SHEET: Responses = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The sheet, or some of its rows, below its first line: UTF-8, with commas, semicolons or tabs.",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in ("text/csv", "application/octet-stream")
        },
    }
}


@router.get(
    _PATH,
    operation_id="exportCorrections",
    summary="Get the failed rows of a job as a CSV file to correct in",
    response_class=StreamingResponse,
    responses={**_SHEET, **problems(404, 409, 422, 503)},
)
def export_corrections(
    dependencies: Wired, caller: Reader, job_id: UUID, asked: Annotated[Filter, Query()]
) -> ExportResponse:
    """Stream the rows that a replay would load, each as the draft has it, with its reason, version and place."""
    with dependencies.sessions() as session:
        job = caller.find_job(session, job_id)
        require_kept(job)
        reader = RowReader(require_header(job), replay_dialect(session, job), masks_columns(job))
        paths = paths_of(session, job)
    query = rows_with_drafts(job_id, *asked.conditions(reader.dialect.encoding))
    blocks = write_sheet(dependencies.sessions, query, reader, paths)
    return ExportResponse(blocks, f"corrections-{job_id}.csv")


@router.post(
    _PATH,
    operation_id="uploadCorrections",
    summary="Write the cells that were changed in such a file into the draft",
    responses=problems(400, 404, 408, 409, 413, 415, 422, 503, 507),
    dependencies=[TAKES_FILE],
    openapi_extra=_BODY,
)
async def upload_corrections(
    request: Request, dependencies: Wired, caller: Submitter, job_id: UUID
) -> UploadedSheet:
    """Take all of it or nothing; rows that are left out stay as they are, and sent again it changes nothing."""
    refuse_form(request)
    refuse_declared_size(request, dependencies.settings.max_upload_bytes)
    await run_in_threadpool(_require_job, dependencies, caller, job_id)
    stored = await receive_file(request, dependencies, f"corrections-{job_id}.csv", caller.owner)
    if stored is None:
        raise empty_body()
    try:
        return await run_in_threadpool(_write, dependencies, caller, job_id, stored)
    finally:
        stored.discard()


def _require_job(dependencies: Dependencies, caller: Caller, job_id: UUID) -> None:
    """Refuse a job whose rows cannot be corrected before its sheet is sent."""
    with dependencies.sessions() as session:
        require_header(find_correctable(session, caller, job_id))


def _write(
    dependencies: Dependencies, caller: Caller, job_id: UUID, stored: StoredUpload
) -> UploadedSheet:
    with dependencies.sessions.begin() as session:
        job = find_correctable(session, caller, job_id)
        lock_draft(session, job)
        result = upload_sheet(session, caller.actor, job, stored.path, paths_of(session, job))
        return UploadedSheet(
            rows=result.rows,
            changed=result.changed,
            removed=result.removed,
            draft_version=draft_version(session, job_id),
        )
