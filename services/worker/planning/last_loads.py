"""Find the loads that a new delivery of a dataset is held against: the last that changed its table.

Every plan asks, so each question goes by an index: from the last end backwards, or by the day.
"""

from sqlalchemy import ColumnElement, Select, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from libs.common.enums import LOADED_STATES, LoadMode
from libs.common.ledger.models import Job

_RECENT = 1_000
"""Loads of a dataset among which the last one of the same kind is looked for."""


def _has_scope(job: type[Job]) -> ColumnElement[bool]:
    """Return whether a job has a scope; a definition from before there were slices has none, others say null."""
    scope = func.coalesce(job.definition["scope"], text("'null'::jsonb"), type_=JSONB)
    return scope == bindparam("scope", type_=JSONB)


def _mode(job: type[Job]) -> ColumnElement[str]:
    mode: ColumnElement[str] = job.definition["mode"].astext
    return mode


def _is_of_table(job: type[Job]) -> ColumnElement[bool]:
    table: ColumnElement[str] = job.definition["table"].astext
    return table == bindparam("table")


def _has_changed(job: type[Job]) -> ColumnElement[bool]:
    return (job.rows_loaded > 0) | (_mode(job) == LoadMode.REPLACE.value)


OTHERS = select(Job).where(Job.dataset == bindparam("dataset"), Job.id != bindparam("own_id"))
DELIVERIES = OTHERS.where(
    _is_of_table(Job), Job.replay_of.is_(None), _mode(Job) != LoadMode.APPEND.value
)
"""Deliveries that set the table's state."""
_IS_OF_DAY = Job.data_date == bindparam("data_date")
_HAS_SCOPE = _has_scope(Job)
_LOADS = OTHERS.where(
    Job.finished_at.is_not(None), Job.state.in_(LOADED_STATES), Job.replay_of.is_(None)
).order_by(Job.finished_at.desc())
_CHANGES = _LOADS.where(_is_of_table(Job), _has_changed(Job))
_LAST_SET = _CHANGES.where(_mode(Job) != LoadMode.APPEND.value).limit(1)
_LAST_SET_OF_SLICE = _LAST_SET.where(_HAS_SCOPE, _IS_OF_DAY)
_SET_OTHERWISE = _LAST_SET.where(~_HAS_SCOPE, Job.finished_at > bindparam("since"))
_LAST_OF_DAY = _CHANGES.where(_mode(Job) == bindparam("mode"), _HAS_SCOPE, _IS_OF_DAY).limit(1)
# Postgres takes so many conditions for rare and would read and sort all loads; a limit within keeps it to the index.
_Recent = aliased(Job, _LOADS.limit(_RECENT).subquery())
_LAST_ALIKE = (
    select(_Recent)
    .where(
        _is_of_table(_Recent),
        _has_changed(_Recent),
        _mode(_Recent) == bindparam("mode"),
        _has_scope(_Recent),
    )
    .order_by(_Recent.finished_at.desc())
    .limit(1)
)
_CHANGES_SLICE = _IS_OF_DAY | ~_HAS_SCOPE
"""Of a job: it changes the slice of this scope and day, being of it, or going by other slices or by none."""


def own(job: Job) -> dict[str, object]:
    """Return the parameters that tell a job from the others of its dataset, and its slice."""
    scope = job.definition.get("scope")
    return {"dataset": job.dataset, "own_id": job.id, "data_date": job.data_date, "scope": scope}


def rivals(jobs: Select[Job], job: Job) -> Select[Job]:
    """Leave of these jobs those that change what `job` changes: of a slice that, or more than one."""
    return jobs if job.definition.get("scope") is None else jobs.where(_CHANGES_SLICE)


def find_last_change(session: Session, job: Job, table: str) -> Job | None:
    """Return the last delivery that has set the state of the table.

    Of a slice the last one of the slice, or what has changed it since: another kind of slices, or the whole table.
    """
    parameters = {**own(job), "table": table}
    if job.definition.get("scope") is None:
        return session.scalar(_LAST_SET, parameters)
    last = session.scalar(_LAST_SET_OF_SLICE, parameters)
    if last is None:
        return None
    return session.scalar(_SET_OTHERWISE, {**parameters, "since": last.finished_at}) or last


def find_load_of_day(session: Session, job: Job) -> Job | None:
    """Return the last load into the job's table in its mode for its data date."""
    return session.scalar(_LAST_OF_DAY, _alike(job))


def find_last_load(session: Session, job: Job) -> Job | None:
    """Return the last load into the job's table in its mode.

    Of a slice the last one of the same slice; where there is none, of any: days of one dataset are alike.
    """
    last = find_load_of_day(session, job) if job.definition.get("scope") is not None else None
    return last or session.scalar(_LAST_ALIKE, _alike(job))


def _alike(job: Job) -> dict[str, object]:
    """Return the parameters that tell the loads which have set the same as the job would."""
    definition = job.parsed_definition()
    return {**own(job), "table": definition.table, "mode": definition.mode.value}
