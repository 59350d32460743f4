"""Name the queues, exchanges and tasks: what services must agree on to find each other."""

from typing import Final
from uuid import UUID

JOBS_QUEUE: Final = "jobs"
LOAD_QUEUE: Final = "load"
DEAD_LETTER_QUEUE: Final = "dead-letters"
DEAD_LETTER_EXCHANGE: Final = "adsp.dead-letters"
EVENTS_EXCHANGE: Final = "adsp.events"

PLAN: Final = "jobs.plan"
FINISH: Final = "jobs.finish"
DISPATCH_DUE: Final = "jobs.dispatch_due"
SWEEP: Final = "jobs.sweep"
RETAIN: Final = "jobs.retain"
LOAD_CHUNK: Final = "load.chunk"

ROUTES: Final = {
    PLAN: JOBS_QUEUE,
    FINISH: JOBS_QUEUE,
    DISPATCH_DUE: JOBS_QUEUE,
    SWEEP: JOBS_QUEUE,
    RETAIN: JOBS_QUEUE,
    LOAD_CHUNK: LOAD_QUEUE,
}


def plan_task_id(job_id: UUID) -> str:
    """Return the Celery task id of a job's plan: the job's own id, so that people know one id only."""
    return str(job_id)


def finish_task_id(job_id: UUID) -> str:
    """Return the Celery task id of a job's finish."""
    return f"{job_id}.finish"


def chunk_task_id(job_id: UUID, number: int) -> str:
    """Return the Celery task id of a chunk's load."""
    return f"{job_id}.{number}"
