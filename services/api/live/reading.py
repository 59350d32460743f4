"""Read from the ledger what streams tell: how far jobs are, and the events that were written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from libs.common.enums import END_STATES, JobState
from libs.common.sql_files import statement

MOST_JOBS = 200
"""No more of the jobs under way are read; one that somebody watches is read all the same."""

MOST_EVENTS = 1000
"""No more are sent to a client that comes again."""


@dataclass(frozen=True)
class Progress:
    """How far a job is: what is shown of it, and to whom."""

    id: UUID
    owner: str | None
    shown: dict[str, Any]

    @property
    def dataset(self) -> str:
        """Return the job's dataset."""
        return str(self.shown["dataset"])

    @property
    def has_ended(self) -> bool:
        """Return whether nothing more will come."""
        return JobState(self.shown["state"]) in END_STATES


@dataclass(frozen=True)
class LedgerEvent:
    """An event of the ledger, as it is published too."""

    id: UUID
    job_id: UUID
    owner: str | None
    dataset: str
    type: str
    payload: dict[str, Any]


def read_progress(
    sessions: sessionmaker[Session], watched: Collection[UUID]
) -> dict[UUID, Progress]:
    """Return the jobs under way and the watched ones, by id."""
    asked = {"most": MOST_JOBS, "watched": list(watched)}
    with sessions() as session:
        rows = session.execute(statement(__package__, "live_jobs"), asked).mappings()
        return {row["id"]: _progress_of(dict(row)) for row in rows}


def read_events(sessions: sessionmaker[Session], after: UUID, most: int) -> Sequence[LedgerEvent]:
    """Return the events that follow one, oldest first, at most so many."""
    with sessions() as session:
        rows = session.execute(statement(__package__, "new_events"), {"after": after, "most": most})
        return [LedgerEvent(*row) for row in rows]


def _progress_of(row: dict[str, Any]) -> Progress:
    owner = row.pop("owner")
    shown = {**row, "id": str(row["id"]), "data_date": row["data_date"].isoformat()}
    return Progress(row["id"], owner, shown)
