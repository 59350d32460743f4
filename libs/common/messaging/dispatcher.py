"""Send a job's next step to the service that does it, within a bound and with a confirm."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from amqp.exceptions import AMQPError
from celery import Celery
from kombu import Connection
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from libs.common.errors import PublishFault
from libs.common.messaging.names import (
    FINISH,
    LOAD_CHUNK,
    PLAN,
    chunk_task_id,
    finish_task_id,
    plan_task_id,
)

_BROKER_ERRORS = (KombuError, AMQPError, RedisError, OSError)


class Dispatcher:
    """Publishes task messages, one at a time, over a connection of its own.

    Safe to share between threads. A connection that failed is thrown away: a confirm that comes late on it
    would be taken for that of the next message. Make one per process, after any fork.
    """

    def __init__(self, celery: Celery, publish_timeout: float) -> None:
        self._celery = celery
        self._timeout = publish_timeout
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def send_plan(self, job_id: UUID, request_id: str | None) -> None:
        """Ask a worker to plan a job; raises `PublishFault` when that was not confirmed in time."""
        self._send(PLAN, plan_task_id(job_id), job_id=str(job_id), request_id=request_id)

    def send_chunk(self, job_id: UUID, number: int, request_id: str | None) -> None:
        """Ask a loader to load a chunk; raises `PublishFault`."""
        self._send(
            LOAD_CHUNK,
            chunk_task_id(job_id, number),
            job_id=str(job_id),
            number=number,
            request_id=request_id,
        )

    def send_finish(self, job_id: UUID, request_id: str | None) -> None:
        """Ask a worker to see whether a job is over; raises `PublishFault`."""
        self._send(FINISH, finish_task_id(job_id), job_id=str(job_id), request_id=request_id)

    def close(self) -> None:
        """Close the connection; the next send opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collapse()

    def _send(self, task: str, task_id: str, **kwargs: Any) -> None:
        with self._exclusively(), self._faults(task):
            if self._connection is None:
                self._connection = self._celery.connection_for_write()
            self._celery.send_task(
                task,
                kwargs=kwargs,
                task_id=task_id,
                connection=self._connection,
                confirm_timeout=self._timeout,
                retry=False,
            )

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._timeout):
            raise PublishFault(f"another publish took more than {self._timeout} s")
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def _faults(self, task: str) -> Iterator[None]:
        try:
            yield
        except _BROKER_ERRORS as exc:
            self.close()
            raise PublishFault(f"{task} was not confirmed by the broker: {exc!r}") from exc
