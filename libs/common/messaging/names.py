"""Name the queues, exchanges and tasks: what services must agree on to find each other."""

from typing import Final
from uuid import UUID

JOBS_QUEUE: Final = "jobs"
LOAD_QUEUE: Final = "load"
TICKS_QUEUE: Final = "ticks"
WORK_QUEUES: Final = (JOBS_QUEUE, LOAD_QUEUE, TICKS_QUEUE)
DEAD_LETTER_QUEUE: Final = "dead-letters"
DEAD_LETTER_EXCHANGE: Final = "adsp.dead-letters"
EVENTS_EXCHANGE: Final = "adsp.events"

PLAN: Final = "jobs.plan"
FINISH: Final = "jobs.finish"
DISPATCH_DUE: Final = "jobs.dispatch_due"
SWEEP: Final = "jobs.sweep"
RETAIN: Final = "jobs.retain"
LOAD_CHUNK: Final = "load.chunk"

# Ticks have a queue of their own: behind ten thousand plans each of them would be too old when its turn came, and
# nothing would be swept or due until the last plan is done.
ROUTES: Final = {
    PLAN: JOBS_QUEUE,
    FINISH: JOBS_QUEUE,
    DISPATCH_DUE: TICKS_QUEUE,
    SWEEP: TICKS_QUEUE,
    RETAIN: TICKS_QUEUE,
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
