"""Show one dataset: its definition and versions, its table, its loads, and forms to load and change it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from libs.common.enums import Scope
from libs.common.ledger.datasets import find_dataset
from services.api.dependencies import Wired
from services.api.routes.datasets import DatasetName, get_dataset
from services.api.security.caller import Reader
from services.api.web.dataset_actions import once
from services.api.web.dataset_details import (
    as_yaml,
    charts_of,
    difference,
    next_due,
    read_history,
    read_target,
    read_versions,
)
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)


@router.get("/datasets/{name}")
def show_dataset(
    request: Request,
    dependencies: Wired,
    caller: Reader,
    name: DatasetName,
    version: Annotated[int | None, Query(ge=1, lt=1 << 31)] = None,
) -> HTMLResponse:
    """Show a dataset, and how a version of its definition differs from the one before."""
    owner = None if caller.has_scope(Scope.ADMIN) else caller.owner
    document = get_dataset(dependencies, caller, name, Response())
    with dependencies.sessions() as session:
        dataset = find_dataset(session, name)
        history = read_history(session, name, owner)
        return show_page(
            request,
            "dataset.html",
            dataset=document.model_dump(mode="json"),
            yaml=as_yaml(dataset.definition),
            target=read_target(session, dataset),
            versions=read_versions(session, name),
            version=version or dataset.version,
            difference=difference(session, name, version or dataset.version),
            history=history,
            charts=charts_of(history),
            next_due=next_due(dataset),
            once=once,
            may_submit=caller.may(Scope.SUBMIT, name),
        )
