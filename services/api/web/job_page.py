"""Show one job: what became of its records, and why some failed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from libs.common.enums import END_STATES, LIVE_STATES, ErrorCode
from libs.common.ledger.job_end import count_failed_rows
from libs.common.ledger.jobs import find_job
from services.api.dependencies import Dependencies, Wired
from services.api.pagination import PageQuery
from services.api.routes.failed_rows import FailedRowQuery, page_of_failed_rows
from services.api.routes.jobs import JobQuery, get_job, list_jobs
from services.api.security.caller import Reader
from services.api.web.dashboards import dashboard_of
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)


@router.get("/jobs/{job_id}")
def show_job(
    request: Request,
    dependencies: Wired,
    caller: Reader,
    job_id: UUID,
    asked: Annotated[PageQuery, Query()],
) -> HTMLResponse:
    """Show one job, what became of its records, and why some failed."""
    job = get_job(dependencies, caller, job_id)
    query = FailedRowQuery(page_size=asked.page_size, page_token=asked.page_token)
    return show_page(
        request,
        "job.html",
        job=job,
        is_live=job.state in LIVE_STATES,
        dashboard=dashboard_of(dependencies.settings.grafana_url, job),
        replays=list_jobs(dependencies, caller, JobQuery(replay_of=job_id)).items,
        reasons=_count_reasons(dependencies, job_id),
        failed=page_of_failed_rows(dependencies, caller, job_id, query),
        page_size=asked.page_size,
    )


def _count_reasons(dependencies: Dependencies, job_id: UUID) -> list[tuple[ErrorCode, int]]:
    """Count the failed rows of each reason, the most frequent first; at its end a job has noted them."""
    with dependencies.sessions() as session:
        job = find_job(session, job_id)
        if job.state in END_STATES:
            reasons = {ErrorCode(code): count for code, count in job.rejected_by_code.items()}
        else:
            reasons = count_failed_rows(session, job_id)
    return sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))
