"""Tell what became of each day of each dataset: the cells of the overview.

last job of the day ──► loaded, partial, failed, outdated, running, waiting     no job ──► late where one was due
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from libs.common.enums import JobState
from libs.common.sql_files import statement
from services.api.overview.due_days import first_due

_SLACK = timedelta(minutes=10)
"""What comes so long after its usual time, or has no job so long after it was due, is late."""


class DayState(StrEnum):
    """What became of a dataset's day."""

    LOADED = "loaded"
    PARTIAL = "partial"
    FAILED = "failed"
    LATE = "late"
    WAITING = "waiting"
    RUNNING = "running"
    OUTDATED = "outdated"
    NOT_DUE = "not-due"


_OF_JOBS = {
    JobState.SUCCEEDED: DayState.LOADED,
    JobState.DUPLICATE: DayState.LOADED,
    JobState.COMPLETED_WITH_REJECTS: DayState.PARTIAL,
    JobState.FAILED: DayState.FAILED,
    JobState.CANCELLED: DayState.FAILED,
    JobState.OUTDATED: DayState.OUTDATED,
    JobState.RUNNING: DayState.RUNNING,
    JobState.QUEUED: DayState.RUNNING,
    JobState.WAITING: DayState.WAITING,
}


@dataclass(frozen=True)
class Calendar:
    """A dataset as far as its days go: its schedule, and since when that counts."""

    name: str
    cron: str | None
    time_zone: str
    since: datetime
    is_paused: bool

    @classmethod
    def of(cls, dataset: Any) -> "Calendar":
        """Return what a stored dataset says, also one whose definition is refused by now."""
        schedule = dataset.definition.get("schedule") or {}
        zone = schedule.get("time_zone") or dataset.definition.get("time_zone") or "UTC"
        is_paused = dataset.paused_at is not None
        return cls(dataset.name, schedule.get("cron"), zone, dataset.created_at, is_paused)

    def due(self, day: date) -> datetime | None:
        """Return when the dataset is due on a day."""
        return first_due(self.cron, self.time_zone, day) if self.cron else None


class Day(NamedTuple):
    """A cell: what became of a day, its last job, and when it was due."""

    data_date: date
    state: DayState
    job_id: UUID | None
    due_at: datetime | None


def read_days(
    session: Session, calendars: Sequence[Calendar], days: Sequence[date], owner: str | None
) -> dict[str, list[Day]]:
    """Return the days of each dataset, oldest first; of all jobs without an owner, else of his."""
    names = [calendar.name for calendar in calendars]
    about = {"datasets": names, "first": days[0], "last": days[-1], "owner": owner}
    found = session.execute(statement(__package__, "last_jobs"), about).mappings()
    jobs = {(row["dataset"], row["data_date"]): row for row in found}
    waiting = {name for (name, _), row in jobs.items() if row["state"] == JobState.WAITING}
    usual, now = usual_arrivals(session, sorted(waiting), owner), datetime.now(UTC)
    return {
        calendar.name: [
            _day(calendar, day, jobs.get((calendar.name, day)), usual.get(calendar.name), now)
            for day in days
        ]
        for calendar in calendars
    }


def usual_arrivals(
    session: Session, datasets: Sequence[str], owner: str | None
) -> dict[str, timedelta]:
    """Return how long after its due time each dataset is usually loaded, where jobs of the owner, None: all, say it."""
    if not datasets:
        return {}
    about = {"datasets": list(datasets), "owner": owner}
    rows = session.execute(statement(__package__, "usual_arrivals"), about)
    return {name: timedelta(seconds=round(float(seconds))) for name, seconds in rows}


def _day(
    calendar: Calendar,
    day: date,
    job: Mapping[Any, Any] | None,
    usual: timedelta | None,
    now: datetime,
) -> Day:
    due_at = calendar.due(day)
    if job is None:
        return Day(day, _without_job(calendar, due_at, now), None, due_at)
    due_at = job["due_at"] or due_at
    state = DayState.LOADED if job["is_repaired"] else _OF_JOBS[job["state"]]
    if state is DayState.WAITING and due_at and now > due_at + (usual or timedelta()) + _SLACK:
        state = DayState.LATE
    return Day(day, state, job["id"], due_at)


def _without_job(calendar: Calendar, due_at: datetime | None, now: datetime) -> DayState:
    """Return what a day without a job is: late where one was due since the dataset is there."""
    is_missed = due_at is not None and calendar.since < due_at < now - _SLACK
    return DayState.LATE if is_missed and not calendar.is_paused else DayState.NOT_DUE
