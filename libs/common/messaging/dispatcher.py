"""Send a job's next step to the service that does it, within a bound and with a confirm."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from amqp.exceptions import AMQPError, MessageNacked
from celery import Celery
from kombu import Connection
from kombu.exceptions import KombuError

from libs.common.errors import PublishFault
from libs.common.messaging.names import (
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

_BROKER_ERRORS = (KombuError, AMQPError, MessageNacked, OSError)


class Dispatcher:
    """Publishes task messages, one at a time, over a connection of its own.

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
        self._send(
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
        self._send(
            LOAD_CHUNK,
            chunk_task_id(job_id, number),
            {"queue": SMALL_LOADS_QUEUE} if is_small else None,
            job_id=str(job_id),
            number=number,
            request_id=request_id,
        )

    def send_finish(self, job_id: UUID, request_id: str | None) -> None:
        """Ask a worker to see whether a job is over; raises `PublishFault`."""
        self._send(FINISH, finish_task_id(job_id), job_id=str(job_id), request_id=request_id)

    def send_tick(self, task: str, expires: float) -> None:
        """Ask a worker for a periodic task within `expires` seconds, or never; raises `PublishFault`.

        The broker counts them. Celery's `expires` is a time of our clock, at which a worker whose clock is ahead drops
        every tick.
        """
        self._send(task, None, options={"expiration": expires, "ignore_result": True})

    def close(self) -> None:
        """Close the connection; the next send opens another."""
        with self._lock:
            self._drop_connection()

    def _send(
        self, task: str, task_id: str | None, options: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        with self._exclusively():
            if self._connection is not None and self._is_published(task, task_id, options, kwargs):
                return
            try:
                self._connection = self._connect()
                self._publish(task, task_id, options, kwargs)
            except _BROKER_ERRORS as exc:
                self._drop_connection()
                raise PublishFault(f"{task} was not confirmed by the broker: {exc!r}") from exc

    def _is_published(
        self, task: str, task_id: str | None, options: dict[str, Any] | None, kwargs: dict[str, Any]
    ) -> bool:
        """Publish on the open connection; False when the broker has closed it since its last use.

        A timeout is no reason to try again: the broker is there and does not answer.
        """
        try:
            self._publish(task, task_id, options, kwargs)
        except _BROKER_ERRORS as exc:
            self._drop_connection()
            if isinstance(exc, TimeoutError) or isinstance(exc.__cause__, TimeoutError):
                raise PublishFault(f"{task} was not confirmed within {self._timeout} s") from exc
            return False
        return True

    def _publish(
        self, task: str, task_id: str | None, options: dict[str, Any] | None, kwargs: dict[str, Any]
    ) -> None:
        self._celery.send_task(
            task,
            kwargs=kwargs,
            task_id=task_id,
            connection=self._connection,
            confirm_timeout=self._timeout,
            retry=False,  # kombu's own retry knows no deadline
            headers={SENT_AT: int(time.time() * 1000)},
            **(options or {}),
        )

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
