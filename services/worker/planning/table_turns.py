"""Let jobs of several datasets into one table take turns where they could deadlock, first come, first served.

Two transactions that write the same keys in different orders each wait for the other, and Postgres ends one of them.
That can happen where a unique index or an exclusion constraint makes them meet, and where a replace deletes rows. Jobs
of one dataset are ordered by its mode (decision 28); without a unique index rows of two appends never meet.

A job that waits for its turn lets no younger one pass, so nobody waits for ever (decision 36).
"""

from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple, cast
from uuid import UUID

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from libs.common.enums import JobState, LoadMode
from libs.common.ledger.advisory_locks import advisory_xact_lock
from libs.common.ledger.jobs import PLAN_OVERDUE
from libs.common.ledger.models import Job
from libs.common.postgres.prepared import fetch_prepared

_LOADING_ELSEWHERE = (
    select(Job)
    .where(
        Job.dataset != bindparam("dataset"),
        Job.finished_at.is_(None),
        Job.state == JobState.RUNNING,
        Job.fingerprint.is_not(None),
        Job.definition["table"].astext == bindparam("tables").any_(),
        bindparam("meets_all") | (Job.definition["mode"].astext == LoadMode.REPLACE.value),
    )
    .limit(1)
)
_YOUNGEST = UUID(int=2**128 - 1)
_PLAN_MAY_LAST = PLAN_OVERDUE / 5
"""A job that waits keeps its place so long while it is planned again: it may have died in that."""


class _Touched(NamedTuple):
    """The tables that a load touches, with the uppermost one; `has_keys`: rows of two loads can meet there."""

    root: str
    names: list[str]
    has_keys: bool


def find_job_at_table(session: Session, job: Job) -> Job | None:
    """Return a job of another dataset that loads where this one would, or is older and waits for that.

    Only one with which it could deadlock.
    Until the transaction ends no other dataset's job can begin to load there.
    """
    touched = _find_touched(session, job.definition["table"])
    advisory_xact_lock(session, f"adsp.table:{touched.root}")
    is_replace = job.parsed_definition().mode is LoadMode.REPLACE
    meeting = {
        "dataset": job.dataset,
        "tables": touched.names,
        "meets_all": is_replace or touched.has_keys,
    }
    loading = session.scalar(_LOADING_ELSEWHERE, meeting)
    if loading is not None:
        return loading
    waiting = _find_waiting(session, {**meeting, "before": job.id})
    return None if waiting is None else session.get_one(Job, waiting)


def find_next_at_table(session: Session, ended: Job) -> UUID | None:
    """Return the job of another dataset that has waited longest where this one was loaded."""
    names = _find_touched(session, ended.definition["table"]).names
    anybody = {"dataset": ended.dataset, "tables": names, "meets_all": True, "before": _YOUNGEST}
    return _find_waiting(session, anybody)


def _find_waiting(session: Session, meeting: dict[str, object]) -> UUID | None:
    """Return the oldest job that waits, which a younger one must not pass."""
    alive = {"plan_is_alive": PLAN_OVERDUE - _PLAN_MAY_LAST}
    before = {"before": str(meeting["before"])}
    rows = _ask(session, "waits_at_tables", {**meeting, **alive, **before})
    return UUID(str(rows[0][0])) if rows else None


def _find_touched(session: Session, table: str) -> _Touched:
    schema, _, relation = table.partition(".")
    rows = _ask(session, "touched_tables", {"schema": schema, "relation": relation})
    if not rows:  # it was dropped, which the plan will tell
        return _Touched(table, [table], has_keys=False)
    [(root, names, has_keys)] = rows
    return _Touched(str(root), names, has_keys)


def _ask(session: Session, statement: str, parameters: Mapping[str, object]) -> list[Any]:
    """Run a statement beside this module as part of the session's transaction."""
    session.flush()
    connection = session.connection().connection
    with closing(connection.cursor()) as cursor:
        return fetch_prepared(cast("Cursor", cursor), __package__, statement, parameters)
