"""Show the datasets by name."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from services.api.dependencies import Wired
from services.api.pagination import PageQuery
from services.api.routes.datasets import list_datasets
from services.api.security.caller import Reader
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)


@router.get("/datasets")
def show_datasets(
    request: Request, dependencies: Wired, caller: Reader, asked: Annotated[PageQuery, Query()]
) -> HTMLResponse:
    """Show a page of the datasets."""
    page = list_datasets(dependencies, caller, asked)
    query = {"page_size": asked.page_size}
    return show_page(request, "datasets.html", datasets=page, query=query)
