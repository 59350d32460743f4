"""Load the days of a range: ``POST /v1/datasets/{name}/backfill`` makes a job for each day that is due in it."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Self, cast
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from pydantic import BaseModel, Field, StrictBool, model_validator

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.schedule import Schedule
from libs.common.enums import CatchUp, Trigger
from libs.common.errors import BadInput
from libs.common.ledger.datasets import find_dataset
from libs.common.ledger.jobs import JobRequest
from libs.common.strict_model import StrictModel
from services.api.dependencies import Dependencies, Wired
from services.api.errors.problems import ProblemError
from services.api.idempotency import IdempotencyKeyHeader, keyed
from services.api.responses import problems
from services.api.routes.datasets import DatasetName
from services.api.schemas import FORCE, IsoDate, JobDocument
from services.api.security.caller import Caller, Submitter
from services.api.submission import submit_job

router = APIRouter(tags=["datasets"])

MOST_DAYS = 400
"""A year and what is missing of the next; more is a request of its own."""


class BackfillRequest(StrictModel):
    """Which days to load."""

    first: IsoDate = Field(alias="from", description="The first day, YYYY-MM-DD.")
    last: IsoDate = Field(
        alias="to", description=f"The last day, itself included; at most {MOST_DAYS} days in all."
    )
    force: StrictBool = Field(default=False, description=FORCE)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        days = (self.last - self.first).days + 1
        if days < 1:
            raise ValueError("'to' lies before 'from'")
        if days > MOST_DAYS:
            raise ValueError(f"{days} days are more than {MOST_DAYS}; ask for them in parts")
        return self


class BackfillProblem(BaseModel):
    """Why a day has no job."""

    code: str = Field(description="Stable name of the reason.")
    detail: str = Field(description="What is wrong, and how to fix it.")


class BackfillDay(BaseModel):
    """What became of one day: a job, or the reason why there is none."""

    data_date: date
    job: JobDocument | None
    problem: BackfillProblem | None


class BackfillDocument(BaseModel):
    """The days of a backfill, oldest first."""

    items: list[BackfillDay]


@router.post(
    "/v1/datasets/{name}/backfill",
    status_code=202,
    operation_id="backfillDataset",
    summary="Load the days of a range",
    responses={
        202: {"description": "The days that could be are on record; each tells."},
        **problems(400, 404, 413, 415, 422, 503),
    },
)
def backfill_dataset(
    dependencies: Wired,
    caller: Submitter,
    name: DatasetName,
    body: BackfillRequest,
    idempotency_key: IdempotencyKeyHeader = None,
) -> BackfillDocument:
    """Make a job for each day of the range on which the schedule is due; without a schedule, for every day.

    The days are independent: one that cannot be loaded tells why, and the others go on. They run behind the day's
    work, two at a time unless the workers are set otherwise. Sent again with its
    Idempotency-Key, the days that have a job keep it and the others are tried again.
    """
    caller.require(name)
    keyed(idempotency_key, "")  # a bad key is refused before the first day
    with dependencies.sessions() as session:
        definition = find_dataset(session, name).parsed()
    days = due_days(definition, body.first, body.last)
    return BackfillDocument(
        items=[
            _submitted(
                dependencies, caller, _request(body, name, day, caller.owner), idempotency_key
            )
            for day in days
        ]
    )


def due_days(definition: DatasetDefinition, first: date, last: date) -> list[date]:
    """Return the days of a range, ends included, on which a dataset is due; without a schedule, all of them."""
    if definition.schedule is None:
        return list(_days(first, last))
    return [day for day in _days(first, last) if _is_due(definition.schedule, day)]


def _is_due(schedule: Schedule, day: date) -> bool:
    zone, instant = ZoneInfo(schedule.time_zone), timedelta(microseconds=1)
    start = datetime.combine(day, time.min, zone)
    end = datetime.combine(day + timedelta(days=1), time.min, zone)
    return bool(schedule.due_times(start - instant, end - instant, CatchUp.LATEST))


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _request(body: BackfillRequest, dataset: str, day: date, owner: str | None) -> JobRequest:
    return JobRequest(
        dataset=dataset,
        trigger=Trigger.BACKFILL,
        data_date=day,
        force=body.force,
        owner=owner,
    )


def _submitted(
    dependencies: Dependencies, caller: Caller, request: JobRequest, idempotency_key: str | None
) -> BackfillDay:
    """Make the job of a day, or say why there is none."""
    day = cast(date, request.data_date)
    route = f"POST /v1/datasets/{request.dataset}/backfill {day}"
    keyed_request = keyed(idempotency_key, route, str(request.force))
    try:
        job = submit_job(dependencies, caller.actor, request, keyed_request).job
    except (BadInput, ProblemError) as exc:
        detail = exc.message if isinstance(exc, BadInput) else exc.detail
        problem = BackfillProblem(code=exc.code, detail=detail)
        return BackfillDay(data_date=day, job=None, problem=problem)
    return BackfillDay(data_date=day, job=JobDocument.of(job), problem=None)
