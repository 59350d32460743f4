"""Note who is to hear of an event of a job, in the transaction that makes the event."""

from collections.abc import Iterator

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.datasets.notify import NotifyRule, Occasion
from libs.common.enums import LOADED_STATES, JobState
from libs.common.ledger.models import Event, Job, Notification

_RULES = TypeAdapter(list[NotifyRule])
LATE = "job.late"
"""The event of a job that begins to wait for its source."""

HEADER_CHANGED = "job.header-changed"
"""The event of a planned job whose header has other columns than that of the last load."""

GUARDS = frozenset(
    {
        "header-changed",
        "header-missing-column",
        "nothing-good",
        "shrunk",
        "too-few-rows",
        "too-many-rejects",
        "trailer-mismatch",
    }
)
"""Error codes of jobs that a guard or a threshold of their dataset has stopped."""


def record_event(session: Session, job: Job, event: Event) -> None:
    """Add an event of a locked job to the outbox, and a notification for each target that is to hear of it."""
    session.add(event)
    rules = _rules(job)
    if not rules or job.dry_run:
        return
    wanted = {occasion for rule in rules for occasion in rule.on}
    found = [each for each in _occasions(session, job, event.type, wanted) if each in wanted]
    targets: dict[str, set[Occasion]] = {}
    for rule in rules:
        for target in rule.to:
            targets.setdefault(target, set()).update(each for each in found if each in rule.on)
    session.flush()
    session.add_all(
        Notification(
            event_id=event.id, target=target, occasions=sorted(each.value for each in occasions)
        )
        for target, occasions in targets.items()
        if occasions
    )


def _rules(job: Job) -> list[NotifyRule]:
    """Return the rules of a job's dataset; a definition that is refused by now has none, and its job must end."""
    found = (job.definition or {}).get("notify") or []
    try:
        return _RULES.validate_python(found) if found else []
    except ValidationError:
        return []


def _occasions(session: Session, job: Job, kind: str, wanted: set[Occasion]) -> Iterator[Occasion]:
    """Yield the occasions that an event is."""
    if kind == LATE:
        yield Occasion.LATE
    elif kind == HEADER_CHANGED:
        yield Occasion.DRIFT
    elif kind == f"job.{JobState.FAILED}":
        yield Occasion.FAILED
        if job.error_code in GUARDS:
            yield Occasion.GUARD
    elif job.state in LOADED_STATES and kind == f"job.{job.state}":
        if job.state is JobState.COMPLETED_WITH_REJECTS:
            yield Occasion.COMPLETED_WITH_REJECTS
        if Occasion.RECOVERED in wanted and _has_failed_before(session, job):
            yield Occasion.RECOVERED


def _has_failed_before(session: Session, job: Job) -> bool:
    """Return whether the dataset's job that ended before this one had failed."""
    before = session.scalar(
        select(Job.state)
        .where(
            Job.dataset == job.dataset,
            Job.id != job.id,
            Job.finished_at.is_not(None),
            Job.state.in_([JobState.FAILED, *LOADED_STATES]),
            Job.dry_run.is_(False),
        )
        .order_by(Job.finished_at.desc())
        .limit(1)
    )
    return before is JobState.FAILED
