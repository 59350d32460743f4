"""Send the events of ended jobs from the outbox to the broker, at least once."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session, sessionmaker

from libs.common.errors import PublishFault
from libs.common.failpoints import FailPoint, failpoint
from libs.common.ledger.models import Event
from libs.common.ledger.session import commit_without_waiting
from libs.common.logs import get_logger
from libs.common.messaging.dispatcher import Dispatcher

log = get_logger(__name__)

_LONGEST_WAIT = timedelta(minutes=5)
_DUE = (
    select(Event)
    .where(Event.published_at.is_(None), Event.next_attempt_at <= func.now())
    .order_by(Event.next_attempt_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)


def publish_pending(sessions: sessionmaker[Session], dispatcher: Dispatcher, limit: int) -> int:
    """Publish at most `limit` due events, oldest first, and return how many the broker confirmed.

    Rows are locked meanwhile, so two publishers do not send the same event; one that dies after the
    confirm and before the commit does: consumers know an event by its message id.
    """
    with sessions.begin() as session:
        # Undone by a crash of Postgres, the note only lets the event be published once more.
        commit_without_waiting(session)
        events = session.scalars(_DUE, {"limit": limit}).all()
        published = 0
        try:
            for event in events:
                dispatcher.send_event(event.id, event.type, event.payload, event.created_at)
                failpoint(FailPoint.IN_EVENT_OUTBOX)
                event.published_at = datetime.now(UTC)
                published += 1
        except PublishFault as fault:
            log.warning("events_not_published", waiting=len(events) - published, error=str(fault))
        for event in events[published:]:
            event.attempt += 1
            event.next_attempt_at = func.now() + _wait(event.attempt)
    return published


def _wait(attempt: int) -> timedelta:
    return min(timedelta(seconds=5 << min(attempt, 10)), _LONGEST_WAIT)
