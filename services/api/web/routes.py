"""Serve the pages: read only, without scripts, made of what the API answers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from libs.common.enums import END_STATES, ErrorCode
from libs.common.ledger.jobs import count_failed_rows, find_job
from services.api.dependencies import Dependencies, Wired
from services.api.pagination import PageQuery
from services.api.routes.failed_rows import FailedRowQuery, page_of_failed_rows
from services.api.routes.jobs import JobQuery, get_job, list_jobs
from services.api.security.caller import Reader
from services.api.web.dashboards import dashboard_of
from services.api.web.elements import POLICY
from services.api.web.job_pages import job_page, jobs_page

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@router.get("/")
def show_jobs(
    dependencies: Wired, caller: Reader, asked: Annotated[JobQuery, Query()]
) -> HTMLResponse:
    """Show the jobs, the newest first."""
    filters = asked.model_dump(mode="json", exclude={"page_token"}, exclude_unset=True)
    shown = {name: str(value) for name, value in filters.items() if value is not None}
    return HTMLResponse(jobs_page(list_jobs(dependencies, caller, asked), shown), headers=_HEADERS)


@router.get("/jobs/{job_id}")
def show_job(
    dependencies: Wired, caller: Reader, job_id: UUID, asked: Annotated[PageQuery, Query()]
) -> HTMLResponse:
    """Show one job, what became of its records, and why some failed."""
    job = get_job(dependencies, caller, job_id)
    query = FailedRowQuery(page_size=asked.page_size, page_token=asked.page_token)
    failed = page_of_failed_rows(dependencies, caller, job_id, query)
    replays = list_jobs(dependencies, caller, JobQuery(replay_of=job_id)).items
    dashboard = dashboard_of(dependencies.settings.grafana_url, job)
    content = job_page(
        job, _count_reasons(dependencies, job_id), failed, replays, asked.page_size, dashboard
    )
    return HTMLResponse(content, headers=_HEADERS)


def _count_reasons(dependencies: Dependencies, job_id: UUID) -> list[tuple[ErrorCode, int]]:
    """Count the failed rows of each reason, the most frequent first; at its end a job has noted them."""
    with dependencies.sessions() as session:
        job = find_job(session, job_id)
        if job.state in END_STATES:
            reasons = {ErrorCode(code): count for code, count in job.rejected_by_code.items()}
        else:
            reasons = count_failed_rows(session, job_id)
    return sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))
