"""Show how all datasets are: the start page."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from services.api.dependencies import Wired
from services.api.overview.day_states import DayState
from services.api.routes.overview import OverviewQuery, get_overview
from services.api.security.caller import Reader
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)

SIGNS = {
    DayState.LOADED: "✓",
    DayState.PARTIAL: "◐",
    DayState.FAILED: "✗",
    DayState.LATE: "!",
    DayState.WAITING: "…",
    DayState.RUNNING: "▶",
    DayState.OUTDATED: "↶",
    DayState.NOT_DUE: "·",
}
"""A sign beside the colour, for those who do not see that."""


@router.get("/")
def show_overview(
    request: Request, dependencies: Wired, caller: Reader, asked: Annotated[OverviewQuery, Query()]
) -> HTMLResponse:
    """Show the days of a page of datasets, what is late, and what runs."""
    overview = get_overview(dependencies, caller, asked)
    query = {"page_size": asked.page_size, "days": asked.days}
    return show_page(request, "overview.html", overview=overview, query=query, signs=SIGNS)
