"""Correct one failed row: its cells in a form, or its whole record; what somebody else has written is never lost."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from libs.common.errors import BadInput, Conflict
from services.api.corrections.schemas import CorrectionBody
from services.api.dependencies import Dependencies, Wired
from services.api.routes.corrections import (
    Place,
    delete_correction,
    put_correction,
)
from services.api.security.caller import Caller, Submitter
from services.api.web.correction_form import MOST_CELLS, CorrectionForm
from services.api.web.failed_rows_page import FailedRowsQuery
from services.api.web.forms import Form, parsed_form, see_other
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)


@router.get("/jobs/{job_id}/failed-rows/{place}")
def show_correction(
    request: Request,
    dependencies: Wired,
    caller: Submitter,
    job_id: UUID,
    place: Place,
    asked: Annotated[FailedRowsQuery, Query()],
) -> HTMLResponse:
    """Show the form of a row as the draft has it."""
    with dependencies.sessions() as session:
        form = CorrectionForm.find(session, caller, job_id, place)
        query = asked.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        back = f"/jobs/{job_id}/failed-rows?{urlencode(query)}".removesuffix("?")
        return _show(request, form, {"back": back})


@router.post("/jobs/{job_id}/failed-rows/{place}")
def correct(
    request: Request,
    dependencies: Wired,
    caller: Submitter,
    job_id: UUID,
    place: Place,
    sent: Form,
) -> Response:
    """Write what was sent into the draft and lead back to the list; show it again where that is refused."""
    back = sent.get("back", "")
    if not back.startswith(f"/jobs/{job_id}/failed-rows"):
        back = f"/jobs/{job_id}/failed-rows"
    try:
        _write(dependencies, caller, job_id, place, sent)
    except BadInput as exc:
        status = 409 if isinstance(exc, Conflict) else 422
        with dependencies.sessions() as session:
            form = CorrectionForm.find(session, caller, job_id, place)
            return _show(request, form, {**sent, "back": back}, status, exc.message)
    return see_other(back)


def _write(
    dependencies: Dependencies, caller: Caller, job_id: UUID, place: int, sent: Mapping[str, str]
) -> None:
    version = int(sent["version"]) if sent.get("version", "").isdecimal() else None
    with dependencies.sessions() as session:
        form = CorrectionForm.find(session, caller, job_id, place)
        correction = form.correction(sent)
    if correction is not None:
        body = parsed_form(CorrectionBody, {**correction, "version": version})
        put_correction(dependencies, caller, job_id, place, body)
    elif version is not None:
        delete_correction(dependencies, caller, job_id, place, version)


def _show(
    request: Request,
    form: CorrectionForm,
    sent: Mapping[str, str],
    status: int = 200,
    refusal: str | None = None,
) -> HTMLResponse:
    file, line_number = form.file_and_line
    return show_page(
        request,
        "correction.html",
        status=status,
        job=form.job,
        row=form.row,
        draft=form.draft,
        file=file,
        line_number=line_number,
        refusal=refusal,
        cells=form.fields(sent),
        record=sent.get("record", form.record),
        more=max(0, len(form.layout.header) - MOST_CELLS),
        back=sent["back"],
    )
