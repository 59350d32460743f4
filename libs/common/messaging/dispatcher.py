"""Send a job's next step, or an event, to the broker, within a bound and with a confirm."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from amqp.exceptions import AMQPError, MessageNacked
from celery import Celery
from kombu import Connection, Exchange
from kombu.exceptions import KombuError

from libs.common.errors import PublishFault
from libs.common.messaging.names import (
    EVENTS_EXCHANGE,
    FINISH,
    LOAD_CHUNK,
    LONG_PLANS_QUEUE,
    PLAN,
    SMALL_LOADS_QUEUE,
    chunk_task_id,
    finish_task_id,
    plan_task_id,
)
from libs.common.messaging.stage_metrics import SENT_AT

_EVENTS = Exchange(EVENTS_EXCHANGE, type="topic", durable=True)
_BROKER_ERRORS = (KombuError, AMQPError, OSError)


class Dispatcher:
    """Publishes messages, one at a time, over a connection of its own.

    Safe to share between threads; make one per process, after any fork. A send takes at most about twice
    `publish_timeout` seconds: once to connect, once for the confirm.
    """

    def __init__(self, celery: Celery, publish_timeout: float) -> None:
        """Connect to nothing yet."""
        self._celery = celery
        self._timeout = publish_timeout
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def send_plan(self, job_id: UUID, request_id: str | None, *, is_long: bool = False) -> None:
        """Ask a worker to plan a job, behind others whose plan `is_long`; raises `PublishFault` without a confirm."""
        self._send_task(
            PLAN,
            plan_task_id(job_id),
            {"queue": LONG_PLANS_QUEUE} if is_long else None,
            job_id=str(job_id),
            request_id=request_id,
            **({"is_long": True} if is_long else {}),
        )

    def send_chunk(
        self, job_id: UUID, number: int, request_id: str | None, *, is_small: bool = False
    ) -> None:
        """Ask a loader to load a chunk, before chunks of large jobs if it `is_small`; raises `PublishFault`."""
        self._send_task(
            LOAD_CHUNK,
            chunk_task_id(job_id, number),
            {"queue": SMALL_LOADS_QUEUE} if is_small else None,
            job_id=str(job_id),
            number=number,
            request_id=request_id,
        )

    def send_finish(self, job_id: UUID, request_id: str | None) -> None:
        """Ask a worker to see whether a job is over; raises `PublishFault`."""
        self._send_task(FINISH, finish_task_id(job_id), job_id=str(job_id), request_id=request_id)

    def send_tick(self, task: str, expires: float) -> None:
        """Ask a worker for a periodic task within `expires` seconds, or never; raises `PublishFault`.

        The broker counts them. Celery's `expires` is a time of our clock, at which a worker whose clock is ahead drops
        every tick.
        """
        self._send_task(task, None, options={"expiration": expires, "ignore_result": True})

    def send_event(
        self, event_id: UUID, event_type: str, payload: Mapping[str, Any], created_at: datetime
    ) -> None:
        """Publish an event of the outbox to the topic exchange; raises `PublishFault`."""

        def publish(connection: Connection) -> None:
            connection.Producer(exchange=_EVENTS).publish(
                json.dumps(payload),
                routing_key=event_type,
                content_type="application/json",
                content_encoding="utf-8",
                declare=[_EVENTS],
                confirm_timeout=self._timeout,
                message_id=str(event_id),
                type=event_type,
                timestamp=int(created_at.timestamp()),
            )

        self._send(event_type, publish)

    def close(self) -> None:
        """Close the connection; the next send opens another."""
        with self._lock:
            self._drop_connection()

    def _send_task(
        self, task: str, task_id: str | None, options: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        def publish(connection: Connection) -> None:
            self._celery.send_task(
                task,
                kwargs=kwargs,
                task_id=task_id,
                connection=connection,
                confirm_timeout=self._timeout,
                retry=False,  # kombu's own retry knows no deadline
                headers={SENT_AT: int(time.time() * 1000)},
                **(options or {}),
            )

        self._send(task, publish)

    def _send(self, message: str, publish: Callable[[Connection], None]) -> None:
        with self._exclusively():
            try:
                self._send_exclusively(message, publish)
            except MessageNacked as exc:
                # An answer: the connection is sound, and another try would end the same.
                raise PublishFault(f"{message} was refused by the broker") from exc

    def _send_exclusively(self, message: str, publish: Callable[[Connection], None]) -> None:
        connection = self._connection
        if connection is not None and self._is_published(connection, message, publish):
            return
        try:
            self._connection = self._connect()
            publish(self._connection)
        except _BROKER_ERRORS as exc:
            self._drop_connection()
            raise PublishFault(f"{message} was not confirmed by the broker: {exc!r}") from exc

    def _is_published(
        self, connection: Connection, message: str, publish: Callable[[Connection], None]
    ) -> bool:
        """Publish on an open connection; False when the broker has closed it since its last use.

        A timeout is no reason to try again: the broker is there and does not answer.
        """
        try:
            publish(connection)
        except _BROKER_ERRORS as exc:
            self._drop_connection()
            if isinstance(exc, TimeoutError) or isinstance(exc.__cause__, TimeoutError):
                raise PublishFault(f"{message} was not confirmed within {self._timeout} s") from exc
            return False
        return True

    def _connect(self) -> Connection:
        """Open a connection in one attempt; no wait on it is longer than the timeout."""
        connection = self._celery.connection_for_write()
        connection.ensure_connection(max_retries=0)
        # py-amqp waits without a bound for replies other than the confirm, such as a declared queue's.
        connection.connection.sock.settimeout(self._timeout)
        return connection

    def _drop_connection(self) -> None:
        """Throw the connection away; a late confirm on it would be taken for that of the next message."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect()

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._timeout):
            raise PublishFault(f"another publish took more than {self._timeout} s")
        try:
            yield
        finally:
            self._lock.release()
