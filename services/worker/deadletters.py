"""Empty the dead-letter queue: the job of a message that could not be handled fails with the reason."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pika
from pika.spec import BasicProperties
from sqlalchemy import func, select, update

from libs.common.enums import LIVE_STATES, ChunkState, JobState
from libs.common.ledger.job_end import JobError, record_end
from libs.common.ledger.jobs import lock_job
from libs.common.ledger.models import Chunk
from libs.common.logs import get_logger
from libs.common.messaging.amqp import BROKER_ERRORS, broker_parameters
from libs.common.messaging.names import DEAD_LETTER_QUEUE
from services.worker.dependencies import WorkerContext
from services.worker.finishing import finish
from services.worker.metrics import DEAD_LETTERS

log = get_logger(__name__)

DEAD_LETTER_ERROR = JobError(
    "dead-letter",
    "a message of this job could not be handled after several deliveries; "
    "see the worker's and the loader's log, then trigger the job again",
)


@dataclass(frozen=True)
class _Subject:
    job_id: UUID
    number: int | None


def drain_dead_letters(worker: WorkerContext, limit: int) -> int:
    """Handle at most `limit` dead letters and return how many there were."""
    try:
        connection = pika.BlockingConnection(broker_parameters(worker.settings.broker_url))
    except BROKER_ERRORS as exc:
        log.warning("dead_letters_unreachable", error=repr(exc))
        return 0
    try:
        return _drain(worker, connection, limit)
    except BROKER_ERRORS as exc:
        log.warning("dead_letters_unreachable", error=repr(exc))
        return 0
    finally:
        if connection.is_open:
            connection.close()


def _drain(worker: WorkerContext, connection: pika.BlockingConnection, limit: int) -> int:
    channel = connection.channel()
    for handled in range(limit):
        method, properties, body = channel.basic_get(DEAD_LETTER_QUEUE)
        if method is None or properties is None or body is None:
            return handled
        _fail_job_of(worker, properties, body)
        channel.basic_ack(method.delivery_tag)
    return limit


def _fail_job_of(worker: WorkerContext, properties: BasicProperties, body: bytes) -> None:
    """End what the message was about; the message itself is only described in the log."""
    headers = properties.headers or {}
    reason = headers.get("x-first-death-reason")
    if reason == "expired":
        return  # a tick that came too late: the next one does the same work
    subject = _subject_of(body)
    DEAD_LETTERS.add(1)
    log.error(
        "dead_letter",
        job_id=str(subject.job_id) if subject else None,
        task=headers.get("task"),
        reason=reason,
        bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    if subject is not None:
        _end(worker, subject)
        finish(worker, subject.job_id)


def _end(worker: WorkerContext, subject: _Subject) -> None:
    """Fail the chunk that waits for the message, or the job that has no chunks yet.

    Whatever is under way keeps going: the ledger knows better than a message that came too often.
    """
    with worker.sessions.begin() as session:
        job = lock_job(session, subject.job_id)
        if job is None or job.state not in LIVE_STATES:
            return
        of_job = Chunk.job_id == subject.job_id
        if session.scalar(select(Chunk.number).where(of_job).limit(1)) is None:
            record_end(session, job, JobState.FAILED, error=DEAD_LETTER_ERROR)
        elif subject.number is not None:
            session.execute(
                update(Chunk)
                .where(of_job, Chunk.number == subject.number, Chunk.state == ChunkState.QUEUED)
                .values(
                    state=ChunkState.FAILED,
                    error_code=DEAD_LETTER_ERROR.code,
                    error_message=DEAD_LETTER_ERROR.message,
                    finished_at=func.now(),
                    next_attempt_at=None,
                )
            )


def _subject_of(body: bytes) -> _Subject | None:
    """Return what a Celery message is about, or None when it is something else."""
    try:
        content: Any = json.loads(body)
        number = content[1].get("number")
        return _Subject(UUID(content[1]["job_id"]), number if isinstance(number, int) else None)
    # A text of many brackets is too deep to be read; no dead letter may keep the sweep from its work.
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
