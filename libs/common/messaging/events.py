"""Publish the events of ended jobs from the outbox to the topic exchange, at least once."""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic

import pika
from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session, sessionmaker

from libs.common.failpoints import FailPoint, failpoint
from libs.common.ledger.models import Event
from libs.common.ledger.session import commit_without_waiting
from libs.common.logs import get_logger
from libs.common.messaging.amqp import BROKER_ERRORS, broker_parameters
from libs.common.messaging.names import EVENTS_EXCHANGE

log = get_logger(__name__)

IDLE_SECONDS = 5.0
"""A connection that has not been used for so long is closed: well before the broker misses its heartbeats."""

_LONGEST_WAIT = timedelta(minutes=5)
_DUE = (
    select(Event)
    .where(Event.published_at.is_(None), Event.next_attempt_at <= func.now())
    .order_by(Event.next_attempt_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)


class EventPublisher:
    """Publishes over a connection of its own, which it keeps while there is something to publish again and again.

    Safe to share between threads; make one per process, after any fork.
    """

    def __init__(self, broker_url: str) -> None:
        """Connect to nothing yet."""
        self._broker_url = broker_url
        self._lock = threading.Lock()
        self._channel: BlockingChannel | None = None
        self._used_at = 0.0

    def publish(self, events: Sequence[Event]) -> int:
        """Publish until the broker fails; return how many were confirmed."""
        published = 0
        with self._lock:
            try:
                channel = self._open()
                for event in events:
                    _publish_one(channel, event)
                    failpoint(FailPoint.IN_EVENT_OUTBOX)
                    published += 1
            except BROKER_ERRORS as exc:
                self._drop()
                log.warning(
                    "events_not_published", waiting=len(events) - published, error=repr(exc)
                )
            self._used_at = monotonic()
        return published

    def close(self) -> None:
        """Close the connection; the next publish opens another."""
        with self._lock:
            self._drop()

    def _open(self) -> BlockingChannel:
        """Return the channel that is kept, if its connection still lives, or one of a new connection."""
        if self._channel is not None:
            try:
                self._channel.connection.process_data_events(0)
                if self._channel.is_open:
                    return self._channel
            except BROKER_ERRORS as exc:
                log.info("events_connection_lost", error=repr(exc))
            self._drop()
        connection = pika.BlockingConnection(broker_parameters(self._broker_url))
        self._channel = connection.channel()
        self._channel.confirm_delivery()
        self._channel.exchange_declare(EVENTS_EXCHANGE, exchange_type="topic", durable=True)
        self._close_when_idle(self._channel)
        return self._channel

    def _close_when_idle(self, channel: BlockingChannel) -> None:
        """Look again and again whether the channel has been idle: nobody would answer the broker's heartbeats."""
        timer = threading.Timer(IDLE_SECONDS, self._look, [channel])
        timer.daemon = True
        timer.start()

    def _look(self, channel: BlockingChannel) -> None:
        with self._lock:
            if self._channel is not channel:
                return
            if monotonic() - self._used_at >= IDLE_SECONDS:
                self._drop()
            else:
                self._close_when_idle(channel)

    def _drop(self) -> None:
        """Close the connection, whatever state it is in."""
        channel, self._channel = self._channel, None
        if channel is not None and channel.connection.is_open:
            with suppress(*BROKER_ERRORS):
                channel.connection.close()


def publish_pending(sessions: sessionmaker[Session], publisher: EventPublisher, limit: int) -> int:
    """Publish at most `limit` due events, oldest first, and return how many the broker confirmed.

    Rows are locked meanwhile, so two publishers do not send the same event; one that dies after the
    confirm and before the commit does: consumers know an event by its message id.
    """
    with sessions.begin() as session:
        # Undone by a crash of Postgres, the note only lets the event be published once more.
        commit_without_waiting(session)
        events = session.scalars(_DUE, {"limit": limit}).all()
        if not events:
            return 0
        published = publisher.publish(events)
        for event in events[published:]:
            event.attempt += 1
            event.next_attempt_at = func.now() + _wait(event.attempt)
    return published


def _publish_one(channel: BlockingChannel, event: Event) -> None:
    channel.basic_publish(
        EVENTS_EXCHANGE,
        routing_key=event.type,
        body=json.dumps(event.payload).encode(),
        properties=pika.BasicProperties(
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent,
            message_id=str(event.id),
            type=event.type,
            timestamp=int(event.created_at.timestamp()),
        ),
    )
    event.published_at = datetime.now(UTC)


def _wait(attempt: int) -> timedelta:
    return min(timedelta(seconds=5 << min(attempt, 10)), _LONGEST_WAIT)
