"""Act on a job: cancel it, load its source again, replay its failed rows. What it does is said first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from libs.common.enums import LIVE_STATES, SENT_WHOLE, JobState
from libs.common.errors import Conflict
from libs.common.ids import uuid7
from services.api.dependencies import Dependencies, Wired
from services.api.replays import replay_as_is
from services.api.routes.cancel import cancel_job
from services.api.routes.jobs import create_job, get_job
from services.api.schemas import JobCreation, JobDocument
from services.api.security.caller import Caller, Submitter
from services.api.web.curl import curl
from services.api.web.forms import Form, see_other
from services.api.web.pages import show_page

router = APIRouter(include_in_schema=False)


class Action(StrEnum):
    """What can be done to a job, by the last part of its path."""

    CANCEL = "cancel"
    RETRY = "retry"
    FORCE = "force"
    REPLAY = "replay"


@dataclass(frozen=True)
class Offer:
    """An action that makes sense for a job as it is: its button, what will happen, and the call behind it."""

    action: Action
    title: str
    consequences: Sequence[str]
    method: str
    path: str
    body: Mapping[str, object] | None = field(default=None)


def offers_of(job: JobDocument) -> list[Offer]:
    """Return what may be done to a job now."""
    if job.state in LIVE_STATES:
        return [_cancel(job)]
    offers = [_replay(job)] if job.rows_rejected and not job.dry_run else []
    if job.trigger not in SENT_WHOLE:
        offers += [_load_again(job, Action.RETRY), _load_again(job, Action.FORCE)]
    return offers


@router.get("/jobs/{job_id}/{action}")
def ask(
    request: Request, dependencies: Wired, caller: Submitter, job_id: UUID, action: Action
) -> HTMLResponse:
    """Say what an action will do, and ask for it."""
    job = get_job(dependencies, caller, job_id)
    offer = _require_offer(job, action)
    return show_page(
        request,
        "confirm.html",
        title=offer.title,
        consequences=offer.consequences,
        action=f"/jobs/{job_id}/{action}",
        fields={"once": str(uuid7())},
        is_dangerous=action is not Action.REPLAY,
        back=f"/jobs/{job_id}",
        back_label=f"Job {job_id}",
        curl=curl(request, offer.method, offer.path, offer.body),
    )


@router.post("/jobs/{job_id}/{action}")
async def act(
    dependencies: Wired, caller: Submitter, job_id: UUID, action: Action, form: Form
) -> Response:
    """Do it, through what the interface itself calls, and lead to the job that it is about."""
    key = form.get("once")
    if action is Action.REPLAY:
        submission = await replay_as_is(dependencies, caller, job_id, key)
        return see_other(f"/jobs/{submission.job.id}")
    return see_other(await run_in_threadpool(_act, dependencies, caller, job_id, action, key))


def _act(
    dependencies: Dependencies, caller: Caller, job_id: UUID, action: Action, key: str | None
) -> str:
    if action is Action.CANCEL:
        cancel_job(dependencies, caller, Response(), job_id)
        return f"/jobs/{job_id}"
    job = get_job(dependencies, caller, job_id)
    body = JobCreation.model_validate(_require_offer(job, action).body)
    return f"/jobs/{create_job(dependencies, caller, Response(), body, key).id}"


def _require_offer(job: JobDocument, action: Action) -> Offer:
    for offer in offers_of(job):
        if offer.action is action:
            return offer
    raise Conflict(
        "action-not-possible",
        f"job {job.id} is {job.state.value}: there is nothing to {action.value}; its page shows what can be done",
    )


def _cancel(job: JobDocument) -> Offer:
    consequences = [f"Job {job.id} of {job.dataset} for {job.data_date} stops within seconds."]
    if job.state is JobState.RUNNING:
        consequences.append(
            "An atomic job leaves no rows. Of one that loads chunk by chunk, the chunks that are done stay and count; "
            "loading its source again goes on from there."
        )
    return Offer(Action.CANCEL, "Cancel job", consequences, "POST", f"/v1/jobs/{job.id}/cancel")


def _load_again(job: JobDocument, action: Action) -> Offer:
    body = {
        "dataset": job.dataset,
        "source": job.source,
        "data_date": job.data_date.isoformat(),
        "force": action is Action.FORCE,
        "dry_run": job.dry_run,
    }
    about = f"A new job loads {job.source} into {job.dataset} for {job.data_date}, by its definition as it is now."
    if action is Action.RETRY:
        again = "What is loaded already is not loaded again: it ends as duplicate, or goes on where the other ended."
        return Offer(action, "Load again", [about, again], "POST", "/v1/jobs", body)
    forced = (
        "It is loaded even if the same content was loaded before, or a newer delivery is in the table: an append then "
        "holds its rows twice."
    )
    return Offer(action, "Load by force", [about, forced], "POST", "/v1/jobs", body)


def _replay(job: JobDocument) -> Offer:
    consequences = [
        f"A new job loads the {job.rows_rejected:,} failed rows of job {job.id} as they are.",
        "Each is loaded at most once; what is refused again becomes a failed row of the new job.",
    ]
    return Offer(
        Action.REPLAY, "Replay failed rows", consequences, "POST", f"/v1/jobs/{job.id}/replay"
    )
