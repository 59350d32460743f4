"""Show one dataset: its definition, and what it loads."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from services.api.dependencies import Wired
from services.api.routes.datasets import DatasetName, get_dataset
from services.api.security.caller import Reader
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)


@router.get("/datasets/{name}")
def show_dataset(
    request: Request, dependencies: Wired, caller: Reader, name: DatasetName
) -> HTMLResponse:
    """Show a dataset."""
    dataset = get_dataset(dependencies, caller, name, Response())
    return show_page(request, "dataset.html", dataset=dataset.model_dump(mode="json"))
