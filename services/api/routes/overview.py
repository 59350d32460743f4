"""Show at once how all datasets are: ``GET /v1/overview``, a cell for each day of each dataset."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.enums import JobState, Scope
from libs.common.ledger.models import Dataset
from services.api.dependencies import Wired
from services.api.live.reading import read_progress
from services.api.overview.day_states import Calendar, Day, DayState, read_days, usual_arrivals
from services.api.pagination import Page, PageQuery, paginate
from services.api.responses import problems
from services.api.routes.datasets import BY_NAME
from services.api.security.caller import Caller, Reader

router = APIRouter(tags=["overview"])

_LATE_DAYS = 2
_MOST_LATE = 100
_MOST_DATASETS = 5000


class OverviewQuery(PageQuery):
    """Which days and datasets to show."""

    days: int = Field(30, ge=1, le=92, description="So many days, today in UTC the last one.")


class DayDocument(BaseModel):
    """What became of a dataset's day."""

    data_date: date
    state: DayState = Field(
        description="Of the day's last job, replays and dry runs apart; `late`: it was due and there is no job, or it"
        " waits for longer than usual; `not-due`: nothing was due, or the dataset is paused."
    )
    job_id: UUID | None = Field(description="The last job of the day.")


class DatasetDaysDocument(BaseModel):
    """A dataset and its days, oldest first."""

    dataset: str
    paused: bool
    days: list[DayDocument]


class LateDocument(BaseModel):
    """A delivery of today or yesterday that should be there."""

    dataset: str
    data_date: date
    due_at: datetime | None
    usual_at: datetime | None = Field(
        description="When it is usually loaded: by the median of the last ten scheduled loads that the key sees."
    )
    job_id: UUID | None


class RunningDocument(BaseModel):
    """A job that is under way."""

    id: UUID
    dataset: str
    data_date: date
    state: JobState
    rows_read: int
    rows_rejected: int
    bytes_total: int | None
    bytes_done: int


class OverviewDocument(Page[DatasetDaysDocument]):
    """The datasets by name, what is late, and what runs."""

    days: list[date]
    late: list[LateDocument] = Field(description="Of all datasets, the longest overdue first.")
    running: list[RunningDocument] = Field(
        description="The jobs under way, the newest first, at most 200."
    )


@router.get(
    "/v1/overview",
    operation_id="getOverview",
    summary="Show how all datasets are",
    responses=problems(422, 503),
)
def get_overview(
    dependencies: Wired, caller: Reader, asked: Annotated[OverviewQuery, Query()]
) -> OverviewDocument:
    """Show each day of each dataset by its last job that the key sees, what is late now, and what runs."""
    owner = None if caller.has_scope(Scope.ADMIN) else caller.owner
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=n) for n in reversed(range(asked.days))]
    datasets = select(Dataset).where(Dataset.deleted_at.is_(None), caller.of_datasets(Dataset.name))
    with dependencies.sessions() as session:
        page = paginate(session, datasets, BY_NAME, asked, ["overview"], Calendar.of)
        shown = read_days(session, page.items, days, owner)
        late = _late(session, session.scalars(datasets.limit(_MOST_DATASETS)).all(), days, owner)
    return OverviewDocument(
        items=[_describe(calendar, shown[calendar.name]) for calendar in page.items],
        next_page_token=page.next_page_token,
        days=days,
        late=late,
        running=_running(dependencies.sessions, caller),
    )


def _describe(calendar: Calendar, days: list[Day]) -> DatasetDaysDocument:
    # They are right already, and thousands.
    new = DayDocument.model_construct
    cells = [new(data_date=d.data_date, state=d.state, job_id=d.job_id) for d in days]
    return DatasetDaysDocument(dataset=calendar.name, paused=calendar.is_paused, days=cells)


def _late(
    session: Session, datasets: Sequence[Dataset], days: list[date], owner: str | None
) -> list[LateDocument]:
    calendars = [each for each in map(Calendar.of, datasets) if each.cron]
    found = [
        (name, day)
        for name, last in read_days(session, calendars, days[-_LATE_DAYS:], owner).items()
        for day in last
        if day.state is DayState.LATE
    ]
    found.sort(key=lambda each: (each[1].due_at or datetime.max.replace(tzinfo=UTC), each[0]))
    usual = usual_arrivals(session, sorted({name for name, _ in found[:_MOST_LATE]}), owner)
    return [
        LateDocument(
            dataset=name,
            data_date=day.data_date,
            due_at=day.due_at,
            usual_at=day.due_at + usual[name] if day.due_at and name in usual else None,
            job_id=day.job_id,
        )
        for name, day in found[:_MOST_LATE]
    ]


def _running(sessions: Any, caller: Caller) -> list[RunningDocument]:
    seen = [
        RunningDocument.model_validate(job.shown)
        for job in read_progress(sessions, ()).values()
        if caller.sees(job.owner, job.shown["dataset"])
    ]
    return sorted(seen, key=lambda job: job.id, reverse=True)
