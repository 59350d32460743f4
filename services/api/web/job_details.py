"""Read what a job's page tells beside the job itself: phases, loaders, why rows failed, and its events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.csv.places import from_place
from libs.common.ledger.models import Event
from libs.common.sql_files import statement
from services.api.schemas import JobDocument, render_raw

MOST_GROUPED = 10_000
"""More failed rows are not sorted by column for the page; those of each reason are counted at the job's end."""

_MOST_EVENTS = 50


@dataclass(frozen=True)
class Phase:
    """A part of a job's life: how long it took, None for one that is not over."""

    name: str
    begin: datetime
    seconds: float | None


@dataclass(frozen=True)
class FailedGroup:
    """Failed rows of one reason and column: how many, and the first three."""

    error_code: str
    column: str | None
    failed_rows: int
    examples: list["FailedExample"] = field(default_factory=list)


@dataclass(frozen=True)
class FailedExample:
    """A failed row, as much of it as shows what is wrong."""

    line_number: int
    raw: str
    message: str


@dataclass(frozen=True)
class Speed:
    """How fast a running job is, and how long it will take yet."""

    rows_a_second: int
    percent: int | None
    left: timedelta | None


@dataclass(frozen=True)
class JobDetails:
    """What stands in the ledger about one job."""

    phases: list[Phase]
    chunks: int
    chunks_done: int
    loaders: Sequence[dict[str, Any]]
    groups: list[FailedGroup]
    events: Sequence[Event]


def read_details(session: Session, job: JobDocument, encoding: str) -> JobDetails:
    """Return the details of a job whose source has this encoding."""
    about = {"job_id": job.id}
    chunks = session.execute(statement(__package__, "job_phases"), about).mappings().one()
    loaders = session.execute(statement(__package__, "job_loaders"), about).mappings()
    events = select(Event).where(Event.job_id == job.id).order_by(Event.id).limit(_MOST_EVENTS)
    return JobDetails(
        phases=list(_phases(job, chunks["first_begun"], chunks["last_done"])),
        chunks=chunks["chunks"],
        chunks_done=chunks["chunks_done"],
        loaders=[dict(row) for row in loaders],
        groups=_groups(session, job.id, encoding) if job.rows_rejected else [],
        events=session.scalars(events).all(),
    )


def speed_of(job: JobDocument) -> Speed | None:
    """Return how fast a job is that loads, None before it has begun."""
    if job.started_at is None or job.finished_at is not None or not job.rows_read:
        return None
    seconds = max((datetime.now(UTC) - job.started_at).total_seconds(), 0.001)
    percent = left = None
    if job.bytes_total and job.bytes_done:
        share = min(job.bytes_done / job.bytes_total, 1.0)
        percent, left = int(100 * share), timedelta(seconds=int(seconds / share - seconds))
    return Speed(int(job.rows_read / seconds), percent, left)


def _phases(job: JobDocument, loading: datetime | None, loaded: datetime | None) -> Iterator[Phase]:
    """Yield what has begun, in its order; each phase ends where the next one begins."""
    is_over = job.finished_at is not None
    begins = [
        ("waited", job.created_at),
        ("planned and loaded" if job.chunks_removed_at else "planned", job.started_at),
        ("loaded", loading),
        ("finished", loaded if is_over else None),
        ("", job.finished_at),
    ]
    known = [(name, begin) for name, begin in begins if begin is not None]
    for (name, begin), (_, end) in pairwise(known):
        yield Phase(name, begin, max((end - begin).total_seconds(), 0))
    if not is_over:
        yield Phase(known[-1][0], known[-1][1], None)


def _groups(session: Session, job_id: UUID, encoding: str) -> list[FailedGroup]:
    about = {"job_id": job_id, "most": MOST_GROUPED}
    rows = session.execute(statement(__package__, "failed_row_groups"), about).mappings()
    groups = []
    for (code, column, count), found in groupby(
        rows, lambda row: (row["error_code"], row["column_name"], row["failed_rows"])
    ):
        examples = [
            FailedExample(
                from_place(row["line_number"])[1],
                render_raw(bytes(row["raw"]), encoding)[0],
                row["message"],
            )
            for row in found
        ]
        groups.append(FailedGroup(code, column, count, examples))
    return groups
