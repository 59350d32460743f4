"""Send the notifications that are due: each at least once, under an id that stays the same.

One sender at a time, for a bounded time: a target that lets it wait holds up one child of one worker. What a target
does not take is sent again later and later, and given up in the end.
"""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, func, select

from libs.common.errors import PublishFault, cut_message
from libs.common.ledger.advisory_locks import try_to_take
from libs.common.ledger.models import Event, Notification
from libs.common.logs import get_logger
from libs.common.messaging.names import NOTIFY
from services.worker.dependencies import WorkerContext
from services.worker.metrics import NOTIFICATIONS, Outcome
from services.worker.notifying.messages import describe
from services.worker.notifying.senders import NotificationRefused, send

log = get_logger(__name__)

_LONGEST_RUN = 20.0
"""Seconds after which the rest is left to the next run."""

_MOST_ATTEMPTS = 12
"""With the waits between them about five hours."""

_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=15), timedelta(hours=1)
_EXPIRES = 60.0

_IS_DUE = Notification.next_attempt_at <= func.now()


def ask_to_notify(worker: WorkerContext, _limit: int = 0) -> int:
    """Send the task that notifies if a notification is due; return whether it was sent."""
    with worker.sessions() as session:
        if not session.scalar(select(exists().where(_IS_DUE))):
            return 0
    try:
        worker.dispatcher.send_tick(NOTIFY, _EXPIRES)
    except PublishFault as exc:
        log.warning("publish_failed", task=NOTIFY, error=str(exc))
        return 0
    return 1


def notify(worker: WorkerContext) -> int:
    """Send what is due and return how many were taken; nothing while another run goes on."""
    with worker.sessions.begin() as session:
        if not try_to_take(session, "adsp.notify"):
            return 0
        return _send_due(worker)


def _send_due(worker: WorkerContext) -> int:
    taken, end = 0, time.monotonic() + _LONGEST_RUN
    while time.monotonic() < end:
        with worker.sessions() as session:
            due = select(Notification.id).where(_IS_DUE).order_by(Notification.next_attempt_at)
            found = session.scalar(due.limit(1))
        if found is None:
            break
        taken += _attempt(worker, found)
    return taken


def _attempt(worker: WorkerContext, notification_id: UUID) -> bool:
    """Send one, and note what became of it; return whether it was taken."""
    with worker.sessions.begin() as session:
        notification = session.get_one(Notification, notification_id)
        # Noted before: an attempt that kills its process counts as well.
        notification.attempt += 1
        notification.next_attempt_at = func.now() + _wait(notification.attempt)
    error = _try_to_send(worker, notification)
    with worker.sessions.begin() as session:
        _note(session.get_one(Notification, notification_id), error)
    return error is None


def _try_to_send(worker: WorkerContext, notification: Notification) -> str | None:
    """Send a notification; return why it was not taken, None when it was."""
    target = worker.settings.notify_targets.get(notification.target)
    if target is None:
        return f"no target {notification.target!r} in ADSP_NOTIFY_TARGETS of this worker"
    with worker.sessions() as session:
        event = session.get_one(Event, notification.event_id)
    occasions = notification.occasions
    document = {
        "type": event.type,
        "timestamp": event.created_at.isoformat(),
        "data": event.payload | {"occasions": occasions},
    }
    message = describe(event.payload, occasions, worker.settings.public_url)
    try:
        send(target, notification.id, message, document)
    except NotificationRefused as exc:
        return cut_message(str(exc))
    return None


def _note(notification: Notification, error: str | None) -> None:
    """Write down that a notification was taken, or that it was not; the last attempt gives it up."""
    notification.error = error
    fields = {
        "notification_id": str(notification.id),
        "target": notification.target,
        "attempt": notification.attempt,
    }
    if error is None:
        notification.sent_at, notification.next_attempt_at = datetime.now(UTC), None
        NOTIFICATIONS.add(1, Outcome.SENT)
        log.info("notification_sent", **fields)
        return
    is_over = notification.attempt >= _MOST_ATTEMPTS
    if is_over:
        notification.next_attempt_at = None
    NOTIFICATIONS.add(1, Outcome.GIVEN_UP if is_over else Outcome.REFUSED)
    log.warning("notification_refused", error=error, is_given_up=is_over, **fields)


def _wait(attempt: int) -> timedelta:
    doublings = min(attempt - 1, 10)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)
