"""Show the jobs: filters in the URL, how many there are of each state, the newest first."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Select, func, literal, select, union_all

from libs.common.enums import JobState, Trigger
from libs.common.ledger.models import Job
from services.api.dependencies import Dependencies, Wired
from services.api.routes.jobs import JobQuery, list_jobs, select_jobs
from services.api.security.caller import Caller, Reader
from services.api.web.forms import without_empty
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)

MOST_COUNTED = 1000
"""More jobs of a state are not counted: the page would become slow with the ledger."""


class JobsForm(JobQuery):
    """The filters as a form sends them."""

    _drop_empty = without_empty


@router.get("/jobs")
def show_jobs(
    request: Request, dependencies: Wired, caller: Reader, asked: Annotated[JobsForm, Query()]
) -> HTMLResponse:
    """Show a page of the jobs."""
    filters = asked.model_dump(mode="json", exclude={"page_token"}, exclude_unset=True)
    return show_page(
        request,
        "jobs.html",
        jobs=list_jobs(dependencies, caller, asked),
        filters={name: str(value) for name, value in filters.items() if value is not None},
        counts=count_by_state(dependencies, caller, asked),
        most_counted=MOST_COUNTED,
        triggers=list(Trigger),
    )


def count_by_state(
    dependencies: Dependencies, caller: Caller, asked: JobQuery
) -> list[tuple[JobState, int]]:
    """Count the jobs of each state that the other filters leave, each to a bound; states without any are left out."""
    others = asked.model_copy(update={"state": None, "text": None})
    jobs = select_jobs(caller, others)
    with dependencies.sessions() as session:
        counted = session.execute(union_all(*(_count(jobs, state) for state in JobState)))
        return [(JobState(row[0]), row[1]) for row in counted if row[1]]


def _count(jobs: Select[Job], state: JobState) -> Select[str, int]:
    some = jobs.where(Job.state == state).with_only_columns(literal(1)).limit(MOST_COUNTED)
    return select(literal(state.value), func.count()).select_from(some.subquery())
