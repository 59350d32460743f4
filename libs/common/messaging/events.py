"""Publish the events of ended jobs from the outbox to the topic exchange, at least once."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pika
from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from libs.common.crash_points import CrashPoint, crash_point
from libs.common.db.models import Event
from libs.common.log import get_logger
from libs.common.messaging.connections import BROKER_ERRORS, broker_parameters
from libs.common.messaging.names import EVENTS_EXCHANGE

log = get_logger(__name__)

_LONGEST_WAIT = timedelta(minutes=5)


def publish_pending(sessions: sessionmaker[Session], broker_url: str, limit: int) -> int:
    """Publish at most `limit` due events, oldest first, and return how many the broker confirmed.

    Rows are locked meanwhile, so two publishers do not send the same event; one that dies after the
    confirm and before the commit does: consumers know an event by its message id.
    """
    with sessions.begin() as session:
        events = session.scalars(
            select(Event)
            .where(Event.published_at.is_(None), Event.next_attempt_at <= func.now())
            .order_by(Event.next_attempt_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        if not events or not broker_url.startswith("amqp"):
            return 0
        published = _publish(events, broker_url)
        for event in events[published:]:
            event.attempt += 1
            event.next_attempt_at = datetime.now(UTC) + _wait(event.attempt)
    return published


def _publish(events: Sequence[Event], broker_url: str) -> int:
    """Publish until the broker fails; return how many were confirmed."""
    published = 0
    try:
        connection = pika.BlockingConnection(broker_parameters(broker_url))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.exchange_declare(EVENTS_EXCHANGE, exchange_type="topic", durable=True)
            for event in events:
                _publish_one(channel, event)
                crash_point(CrashPoint.IN_EVENT_OUTBOX)
                published += 1
        finally:
            if connection.is_open:
                connection.close()
    except BROKER_ERRORS as exc:
        log.warning("events_not_published", waiting=len(events) - published, error=repr(exc))
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
