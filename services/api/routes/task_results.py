"""Show the result of a Celery task, from Redis: a convenience, the ledger holds the truth."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from celery.exceptions import BackendError
from fastapi import APIRouter, Path
from kombu.exceptions import KombuError
from pydantic import BaseModel, Field
from redis.exceptions import RedisError

from libs.common.errors import NotFound
from libs.common.ledger.models import Job
from services.api.dependencies import Dependencies, Wired
from services.api.errors.problems import unavailable
from services.api.responses import problems
from services.api.security.caller import Caller, Reader

router = APIRouter(tags=["tasks"])

TASK_ID_PATTERN = (
    r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(\.(\d{1,9}|finish))?$"
)


class TaskErrorDocument(BaseModel):
    """What a task raised."""

    type: str
    message: str


class TaskDocument(BaseModel):
    """The Celery result of one step of a job."""

    id: str
    state: str = Field(description="PENDING, SUCCESS, FAILURE… as Celery names them.")
    result: Any = Field(description="What the task returned.")
    error: TaskErrorDocument | None
    finished_at: datetime | None


@router.get(
    "/v1/tasks/{task_id}",
    operation_id="getTask",
    summary="Show a task's result",
    responses=problems(404, 422, 503),
)
def get_task(
    dependencies: Wired,
    caller: Reader,
    task_id: Annotated[
        str,
        Path(
            pattern=TASK_ID_PATTERN,
            description="A job's id (its plan), `<id>.<number>` (a chunk) or `<id>.finish`.",
        ),
    ],
) -> TaskDocument:
    """Show how a task ended; PENDING when it has not, or when its result has expired."""
    _require_job(dependencies, caller, task_id)
    try:
        meta = dependencies.celery.backend.get_task_meta(task_id, cache=False)
    except (RedisError, BackendError, KombuError, OSError) as exc:
        raise unavailable(
            "redis-away",
            "Redis, which keeps the results of tasks, does not answer; "
            "GET /v1/jobs/{id} tells the job's state all the same",
        ) from exc
    return _document(task_id, meta)


def _require_job(dependencies: Dependencies, caller: Caller, task_id: str) -> None:
    """Raise `NotFound` for the task of no job, which Celery calls pending, or of a job of another owner."""
    with dependencies.sessions() as session:
        job = session.get(Job, UUID(task_id.partition(".")[0]))
        if job is None or not caller.can_see(job):
            raise NotFound(
                "task-unknown", f"there is no task {task_id}; tasks are called as their job's id"
            )


def _document(task_id: str, meta: dict[str, Any]) -> TaskDocument:
    outcome = meta["result"]
    error = None
    if isinstance(outcome, BaseException):
        error = TaskErrorDocument(type=type(outcome).__name__, message=str(outcome))
        outcome = None
    return TaskDocument(
        id=task_id,
        state=meta["status"],
        result=outcome,
        error=error,
        finished_at=meta.get("date_done"),
    )
