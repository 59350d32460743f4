"""Name the queues, exchanges and tasks: what services must agree on to find each other."""

from typing import Final
from uuid import UUID

JOBS_QUEUE: Final = "jobs"
LONG_PLANS_QUEUE: Final = "long-plans"
LOAD_QUEUE: Final = "load"
SMALL_LOADS_QUEUE: Final = "small-loads"
FINISHES_QUEUE: Final = "finishes"
TICKS_QUEUE: Final = "ticks"
WORKER_QUEUES: Final = (JOBS_QUEUE, LONG_PLANS_QUEUE, FINISHES_QUEUE, TICKS_QUEUE)
LOADER_QUEUES: Final = (LOAD_QUEUE, SMALL_LOADS_QUEUE)
WORK_QUEUES: Final = (*WORKER_QUEUES, *LOADER_QUEUES)
DEAD_LETTER_QUEUE: Final = "dead-letters"
DEAD_LETTER_EXCHANGE: Final = "adsp.dead-letters"
EVENTS_EXCHANGE: Final = "adsp.events"

PLAN: Final = "jobs.plan"
FINISH: Final = "jobs.finish"
DISPATCH_DUE: Final = "jobs.dispatch_due"
SWEEP: Final = "jobs.sweep"
CLEANUP: Final = "jobs.retain"
NOTIFY: Final = "jobs.notify"
LOAD_CHUNK: Final = "load.chunk"

# A consumer takes from its queues in turn. Behind ten thousand plans in one queue a tick would be too old when its turn
# comes, so that nothing would be swept or due, and no job would end, before the last plan is done.
ROUTES: Final = {
    PLAN: JOBS_QUEUE,
    FINISH: FINISHES_QUEUE,
    DISPATCH_DUE: TICKS_QUEUE,
    SWEEP: TICKS_QUEUE,
    CLEANUP: TICKS_QUEUE,
    NOTIFY: TICKS_QUEUE,
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
