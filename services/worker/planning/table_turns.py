"""Let jobs of several datasets into one table take turns where they could deadlock.

Two transactions that write the same keys in different orders each wait for the other, and Postgres ends one of them.
That can happen where a unique index or an exclusion constraint makes them meet, and where a replace deletes rows. Jobs
of one dataset are ordered by its mode (decision 36); without a unique index rows of two appends never meet.
"""

from functools import cache

from sqlalchemy import TextClause, bindparam, select, text
from sqlalchemy.orm import Session

from libs.common.enums import JobState, LoadMode
from libs.common.ledger.advisory_locks import take_turns
from libs.common.ledger.models import Job
from libs.common.sql_files import read_statement

_LOADING_ELSEWHERE = (
    select(Job)
    .where(
        Job.dataset != bindparam("dataset"),
        Job.finished_at.is_(None),
        Job.state == JobState.RUNNING,
        Job.fingerprint.is_not(None),
        Job.definition["table"].astext == bindparam("table"),
    )
    .limit(1)
)


def find_job_at_table(session: Session, job: Job) -> Job | None:
    """Return a job of another dataset that is loading into the table of this one, if they could deadlock.

    Until the transaction ends no other dataset's job can begin to load into the table.
    """
    table = job.parsed_definition().table
    take_turns(session, f"adsp.table:{table}")
    other = session.scalar(_LOADING_ELSEWHERE, {"dataset": job.dataset, "table": table})
    if other is None or not _may_deadlock(session, table, job, other):
        return None
    return other


def _may_deadlock(session: Session, table: str, *jobs: Job) -> bool:
    if any(job.parsed_definition().mode is LoadMode.REPLACE for job in jobs):
        return True
    schema, _, relation = table.partition(".")
    return bool(session.scalar(_has_keys(), {"schema": schema, "relation": relation}))


@cache
def _has_keys() -> TextClause:
    return text(read_statement(__package__, "table_has_keys"))
