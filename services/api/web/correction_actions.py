"""Act on the draft of a job: check it, load it, take it back. What it does is said first."""

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from libs.common.ids import uuid7
from services.api.corrections.draft import draft_version
from services.api.corrections.replay import replay_draft
from services.api.dependencies import Wired
from services.api.routes.corrections import delete_corrections, find_correctable
from services.api.security.caller import Submitter
from services.api.web.curl import curl
from services.api.web.forms import Form, see_other
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)


@router.post("/jobs/{job_id}/corrections/check")
async def check(dependencies: Wired, caller: Submitter, job_id: UUID, _form: Form) -> Response:
    """Make the dry run, and lead to it."""
    submission = await replay_draft(dependencies, caller, job_id, dry_run=True)
    return see_other(f"/jobs/{submission.job.id}")


@router.get("/jobs/{job_id}/corrections/replay")
def ask_replay(
    request: Request, dependencies: Wired, caller: Submitter, job_id: UUID
) -> HTMLResponse:
    """Say what loading the draft will do, and ask for it."""
    with dependencies.sessions() as session:
        job = find_correctable(session, caller, job_id)
        corrected = int(draft_version(session, job_id).partition("-")[0])
    rows = f"{corrected:,} as they are corrected, the others as they are; rows that are left out stay behind."
    once = "It is loaded once, however often this is sent. The draft is closed then. What is refused again is"
    consequences = [
        f"A new job loads the {job.rows_rejected:,} failed rows of job {job_id}: {rows}",
        f"{once} among the failed rows of the new job.",
    ]
    return show_page(
        request,
        "confirm.html",
        title="Load the corrected rows",
        consequences=consequences,
        action=f"/jobs/{job_id}/corrections/replay",
        fields={"once": str(uuid7())},
        is_dangerous=False,
        back=f"/jobs/{job_id}/failed-rows",
        back_label="Failed rows",
        curl=curl(request, "POST", f"/v1/jobs/{job_id}/corrections/replay"),
    )


@router.post("/jobs/{job_id}/corrections/replay")
async def replay(dependencies: Wired, caller: Submitter, job_id: UUID, form: Form) -> Response:
    """Make the job that loads the draft, and lead to it."""
    submission = await replay_draft(
        dependencies, caller, job_id, dry_run=False, idempotency_key=form.get("once")
    )
    return see_other(f"/jobs/{submission.job.id}")


@router.get("/jobs/{job_id}/corrections/clear")
def ask_clear(
    request: Request, dependencies: Wired, caller: Submitter, job_id: UUID
) -> HTMLResponse:
    """Ask whether to empty the draft."""
    with dependencies.sessions() as session:
        caller.find_job(session, job_id)
        version = draft_version(session, job_id)
    corrected = int(version.partition("-")[0])
    return show_page(
        request,
        "confirm.html",
        title="Take all corrections back",
        consequences=[
            f"{corrected:,} corrections, of everybody, are gone; the rows are as they came."
        ],
        action=f"/jobs/{job_id}/corrections/clear",
        fields={"draft_version": version},
        is_dangerous=True,
        back=f"/jobs/{job_id}/failed-rows",
        back_label="Failed rows",
        curl=curl(request, "DELETE", f"/v1/jobs/{job_id}/corrections?draft_version={version}"),
    )


@router.post("/jobs/{job_id}/corrections/clear")
async def clear(dependencies: Wired, caller: Submitter, job_id: UUID, form: Form) -> Response:
    """Empty the draft as it was seen."""
    seen = form.get("draft_version", "")
    await run_in_threadpool(delete_corrections, dependencies, caller, job_id, seen)
    return see_other(f"/jobs/{job_id}/failed-rows")
