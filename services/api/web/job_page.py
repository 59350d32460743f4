"""Show one job: what became of its records, and why some failed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from libs.common.enums import END_STATES, LIVE_STATES, ErrorCode, Scope
from libs.common.errors import Conflict
from libs.common.ledger.job_end import count_failed_rows
from libs.common.ledger.models import Job
from services.api.dependencies import Dependencies, Wired
from services.api.errors.problems import ProblemError
from services.api.exports.dialects import encoding_of
from services.api.pagination import Page, PageQuery
from services.api.routes.failed_rows import FailedRowQuery, page_of_failed_rows
from services.api.routes.job_files import list_job_files
from services.api.routes.job_log import JobLogDocument, get_job_log
from services.api.routes.jobs import JobQuery, describe_job, list_jobs
from services.api.schemas import FailedRowDocument
from services.api.security.caller import Caller, Reader
from services.api.web.dashboards import dashboard_of, runbook_of
from services.api.web.job_actions import offers_of
from services.api.web.job_details import MOST_GROUPED, read_details, speed_of
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)

_MOST_FILES = 50


@router.get("/jobs/{job_id}")
def show_job(
    request: Request,
    dependencies: Wired,
    caller: Reader,
    job_id: UUID,
    asked: Annotated[PageQuery, Query()],
) -> HTMLResponse:
    """Show one job, what became of its records, and why some failed."""
    with dependencies.sessions() as session:
        stored = caller.find_job(session, job_id)
        job = describe_job(session, stored)
        details = read_details(session, job, encoding_of(stored))
        reasons = _count_reasons(session, stored)
    settings = dependencies.settings
    may_submit = caller.may(Scope.SUBMIT, job.dataset)
    query = FailedRowQuery(page_size=asked.page_size, page_token=asked.page_token)
    return show_page(
        request,
        "job.html",
        job=job,
        is_live=job.state in LIVE_STATES,
        details=details,
        speed=speed_of(job),
        offers=offers_of(job) if may_submit else [],
        may_submit=may_submit,
        files=list_job_files(dependencies, caller, job_id, PageQuery(page_size=_MOST_FILES)),
        dashboard=dashboard_of(settings.grafana_url, job),
        runbook=runbook_of(settings.grafana_url, job),
        replays=list_jobs(dependencies, caller, JobQuery(replay_of=job_id)).items,
        reasons=reasons,
        most_grouped=MOST_GROUPED,
        failed=_find_failed_rows(dependencies, caller, job_id, query),
        page_size=asked.page_size,
        log=_find_log(dependencies, caller, job_id),
    )


def _find_failed_rows(
    dependencies: Dependencies, caller: Caller, job_id: UUID, query: FailedRowQuery
) -> Page[FailedRowDocument]:
    """Return the first failed rows, none once they were removed."""
    try:
        return page_of_failed_rows(dependencies, caller, job_id, query)
    except Conflict:
        return Page(items=[], next_page_token=None)


def _find_log(dependencies: Dependencies, caller: Caller, job_id: UUID) -> JobLogDocument | None:
    """Return what was logged, None while that cannot be read: the page has all else."""
    try:
        return get_job_log(dependencies, caller, job_id)
    except ProblemError:
        return None


def _count_reasons(session: Session, job: Job) -> list[tuple[ErrorCode, int]]:
    """Count the failed rows of each reason, the most frequent first; at its end a job has noted them."""
    if job.state in END_STATES:
        reasons = {ErrorCode(code): count for code, count in job.rejected_by_code.items()}
    else:
        reasons = count_failed_rows(session, job.id)
    return sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))
