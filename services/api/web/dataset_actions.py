"""Act on a dataset: load a day or a range of days, pause, resume and delete it."""

from collections.abc import Mapping
from enum import StrEnum

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from libs.common.ids import uuid7
from services.api.dependencies import Wired
from services.api.routes.backfill import BackfillRequest, backfill_dataset
from services.api.routes.dataset_retirement import delete_dataset, pause_dataset, resume_dataset
from services.api.routes.datasets import DatasetName, get_dataset
from services.api.routes.jobs import create_job
from services.api.schemas import JobCreation
from services.api.security.caller import Administrator, Submitter
from services.api.web.curl import curl
from services.api.web.forms import Form, parsed_form, see_other
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)


class Action(StrEnum):
    """What is asked for before it is done, by the last part of its path."""

    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"


_CONSEQUENCES = {
    Action.PAUSE: [
        "No due time makes a job until it is resumed. Other triggers work, and jobs under way go on."
    ],
    Action.RESUME: [
        "Due times make jobs again; of those that were missed, as many as its `catch_up` says."
    ],
    Action.DELETE: [
        "It is not loaded any more. Its table, jobs, failed rows and versions stay.",
        "Put again under this name, it goes on where it ended: what was loaded is not loaded again.",
    ],
}


@router.post("/datasets/{name}/load")
def load_day(dependencies: Wired, caller: Submitter, name: DatasetName, form: Form) -> Response:
    """Make the job of a day, and lead to it."""
    body = parsed_form(JobCreation, {"dataset": name, **_given(form, "data_date"), **_flags(form)})
    job = create_job(dependencies, caller, Response(), body, form.get("once"))
    return see_other(f"/jobs/{job.id}")


@router.post("/datasets/{name}/backfill")
def load_days(
    request: Request, dependencies: Wired, caller: Submitter, name: DatasetName, form: Form
) -> HTMLResponse:
    """Make the jobs of a range of days, and show what became of each."""
    body = parsed_form(BackfillRequest, {**_given(form, "from", "to"), "force": "force" in form})
    done = backfill_dataset(dependencies, caller, name, body, form.get("once"))
    return show_page(request, "backfill.html", name=name, days=done.items)


@router.get("/datasets/{name}/{action}")
def ask(
    request: Request, dependencies: Wired, caller: Administrator, name: DatasetName, action: Action
) -> HTMLResponse:
    """Say what an action will do, and ask for it."""
    get_dataset(dependencies, caller, name, Response())
    is_deletion = action is Action.DELETE
    method, path = ("DELETE", "") if is_deletion else ("POST", f"/{action}")
    return show_page(
        request,
        "confirm.html",
        title=f"{action.value.capitalize()} {name}",
        consequences=_CONSEQUENCES[action],
        action=f"/datasets/{name}/{action}",
        fields={},
        is_dangerous=is_deletion,
        back=f"/datasets/{name}",
        back_label=name,
        curl=curl(request, method, f"/v1/datasets/{name}{path}"),
    )


@router.post("/datasets/{name}/{action}")
def act(
    dependencies: Wired, caller: Administrator, name: DatasetName, action: Action, _form: Form
) -> Response:
    """Do it, through what the interface itself calls."""
    if action is Action.DELETE:
        delete_dataset(dependencies, caller, name)
        return see_other("/datasets")
    change = pause_dataset if action is Action.PAUSE else resume_dataset
    change(dependencies, caller, name, Response())
    return see_other(f"/datasets/{name}")


def once() -> str:
    """Return a key for a form, so that sending it twice makes one job."""
    return str(uuid7())


def _given(form: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the fields that were filled in."""
    return {name: form[name] for name in names if form.get(name)}


def _flags(form: Mapping[str, str]) -> dict[str, bool]:
    return {name: name in form for name in ("force", "dry_run")}
