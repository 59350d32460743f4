"""Find the loads that a new delivery of a dataset is held against: the last that changed its table."""

from sqlalchemy import Select, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from libs.common.db.models import Job
from libs.common.states import LOADED_STATES, LoadMode

OTHERS = select(Job).where(Job.dataset == bindparam("dataset"), Job.id != bindparam("own_id"))
_OF_TABLE = OTHERS.where(
    Job.definition["table"].astext == bindparam("table"), Job.replay_of.is_(None)
)
_IS_OF_DAY = Job.data_date == bindparam("data_date")
# A definition from before there were slices has no scope, one without slices says null.
_HAS_SCOPE = func.coalesce(Job.definition["scope"], text("'null'::jsonb")) == bindparam(
    "scope", type_=JSONB
)
_IS_REPLACE = Job.definition["mode"].astext == LoadMode.REPLACE.value
_CHANGES = _OF_TABLE.where(
    Job.finished_at.is_not(None),
    Job.state.in_(LOADED_STATES),
    (Job.rows_loaded > 0) | _IS_REPLACE,
).order_by(Job.finished_at.desc())
DELIVERIES = _OF_TABLE.where(Job.definition["mode"].astext != LoadMode.APPEND.value)
"""Deliveries that set the table's state."""
_LAST_SET = _CHANGES.where(Job.definition["mode"].astext != LoadMode.APPEND.value).limit(1)
_LAST_ALIKE = _CHANGES.where(Job.definition["mode"].astext == bindparam("mode"), _HAS_SCOPE).limit(
    1
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
    """Return the last delivery that has set the state of the table, or of the job's slice of it."""
    return session.scalar(rivals(_LAST_SET, job), {**own(job), "table": table})


def find_load_of_day(session: Session, job: Job) -> Job | None:
    """Return the last load into the job's table in its mode for its data date."""
    return session.scalar(_LAST_ALIKE.where(_IS_OF_DAY), _alike(job))


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
