"""Keep the draft of a job's corrections: who wrote which row when, and that nobody overwrites another unseen.

All writers of one draft, and the replay that loads it, take turns by one lock. A row is written by who names the
version that is there; a draft that a replay has taken up is closed.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from libs.common.enums import END_STATES, LIVE_STATES, LOADED_STATES, AuditAction, JobState
from libs.common.errors import Conflict
from libs.common.ledger.audit import Actor, record_audit
from libs.common.ledger.models import Correction, Job
from libs.common.sql_files import statement
from services.api.exports.removed_rows import require_kept
from services.api.uploads.replayed_files import lock_replays

_TAKEN_UP = {*LIVE_STATES, *LOADED_STATES, JobState.DUPLICATE}
"""States of a replay that loads the failed rows, or has."""

_SHOWN = 5


def require_correctable(job: Job) -> None:
    """Raise `Conflict` for a job whose failed rows cannot be loaded by a replay."""
    if job.state not in END_STATES:
        raise Conflict(
            "job-not-ended",
            f"job {job.id} is {job.state.value}; correct its failed rows when it has ended",
        )
    if job.dry_run:
        raise Conflict(
            "job-was-dry-run",
            f"job {job.id} was a dry run: none of its rows is loaded; correct its source and load that",
        )
    require_kept(job)


def lock_draft(session: Session, job: Job) -> None:
    """Let nobody else write the draft until the transaction's end, or raise `Conflict` when a replay has it."""
    lock_replays(session, job.id)
    taken_by = find_replay(session, job.id)
    if taken_by is not None:
        raise Conflict(
            "failed-rows-replayed",
            f"job {taken_by.id} ({taken_by.state.value}) has taken up the failed rows of job {job.id}; what it "
            "refuses is in its own failed rows: correct them there",
        )


def find_replay(session: Session, job_id: UUID) -> Job | None:
    """Return the newest job that loads, or has loaded, the failed rows of another."""
    query = select(Job).where(Job.replay_of == job_id, Job.state.in_(_TAKEN_UP), ~Job.dry_run)
    return session.scalars(query.order_by(Job.id.desc()).limit(1)).first()


def require_versions(session: Session, job_id: UUID, seen: Mapping[int, int | None]) -> None:
    """Raise `Conflict` where the correction of a place is not of the version that was seen; None: there was none."""
    query = select(Correction).where(
        Correction.job_id == job_id, Correction.byte_offset.in_(list(seen))
    )
    there = {each.byte_offset: each for each in session.scalars(query)}
    changed = [
        describe_change(place, there.get(place))
        for place, version in seen.items()
        if version != (there[place].version if place in there else None)
    ]
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise Conflict(
            "correction-changed",
            f"somebody was faster: {'; '.join(changed[:_SHOWN])}{more}. Nothing of yours was written: get the "
            "corrections again, and send yours with the versions that are there now",
        )


def draft_version(session: Session, job_id: UUID) -> str:
    """Return what changes with each change to the draft of a job."""
    query = select(func.count(), func.coalesce(func.max(Correction.version), 0)).where(
        Correction.job_id == job_id
    )
    count, newest = session.execute(query).one()
    return f"{count}-{newest}"


def require_draft_version(session: Session, job_id: UUID, seen: str) -> None:
    """Raise `Conflict` when the draft of a job is not the one that was seen."""
    there = draft_version(session, job_id)
    if there != seen:
        last = session.scalars(
            select(Correction)
            .where(Correction.job_id == job_id)
            .order_by(Correction.version.desc())
            .limit(1)
        ).first()
        by = f"; the last change is by {_whose(last)}" if last else ""
        raise Conflict(
            "draft-changed",
            f"the draft is of version {there} by now, not {seen}{by}. Nothing was written: look at the preview "
            "again, and send its `draft_version`",
        )


def save(
    session: Session, actor: Actor, job_id: UUID, given: Collection[Mapping[str, Any]]
) -> None:
    """Write corrections of rows: each has its place, and one of cells, record and discarded."""
    session.execute(
        statement(__package__, "save_corrections"),
        {"job_id": job_id, "who": actor.who, "given": json.dumps(list(given))},
    )


def remove(session: Session, job_id: UUID, places: Iterable[int] | None = None) -> int:
    """Take corrections out of a draft, all of them without places; return how many there were."""
    found = delete(Correction).where(Correction.job_id == job_id)
    if places is not None:
        found = found.where(Correction.byte_offset.in_(list(places)))
    return len(session.scalars(found.returning(Correction.byte_offset)).all())


def audit(session: Session, actor: Actor, job_id: UUID, **details: Any) -> None:
    """Note a change to a draft; its cells are not repeated there."""
    record_audit(session, actor, AuditAction.FAILED_ROWS_CORRECT, f"job/{job_id}", **details)


def describe_change(place: int, there: Correction | None) -> str:
    """Return what has become of the correction of a row that somebody has seen otherwise."""
    if there is None:
        return f"the correction of row {place} is gone"
    return f"row {place} was corrected by {_whose(there)} (version {there.version})"


def _whose(correction: Correction) -> str:
    return f"{correction.corrected_by} at {correction.corrected_at:%Y-%m-%d %H:%M:%S %Z}"
