"""Show what the services have logged about a job."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from redis.exceptions import RedisError

from services.api.dependencies import Wired
from services.api.errors.problems import unavailable
from services.api.responses import problems
from services.api.security.caller import Reader

router = APIRouter(tags=["jobs"])


class LogLineDocument(BaseModel):
    """One line of the log of a service."""

    at: datetime
    level: str = Field(description="info, warning or error.")
    service: str = Field(description="api, worker or loader.")
    event: str = Field(description="What happened: one of docs/reference/events.md, or a text.")
    fields: dict[str, Any]


class JobLogDocument(BaseModel):
    """The newest lines that name a job."""

    items: list[LogLineDocument] = Field(description="At most 500, oldest first.")
    kept_seconds: int = Field(
        description="So long after the last one they are gone (`ADSP_JOB_LOG_SECONDS`); 0: none is kept."
    )


@router.get(
    "/v1/jobs/{job_id}/log",
    operation_id="getJobLog",
    summary="Show what was logged about a job",
    responses=problems(404, 422, 503),
)
def get_job_log(dependencies: Wired, caller: Reader, job_id: UUID) -> JobLogDocument:
    """Return the newest log lines of api, workers and loaders that name a job, as far as they are kept."""
    with dependencies.sessions() as session:
        caller.find_job(session, job_id)
    try:
        lines = dependencies.job_log.read(job_id)
    except (RedisError, OSError) as exc:
        raise unavailable(
            "redis-away",
            "Redis, which keeps the newest log lines of jobs, does not answer; the services' own logs have them",
        ) from exc
    kept_seconds = dependencies.settings.job_log_seconds
    return JobLogDocument(
        items=[LogLineDocument(**line) for line in lines], kept_seconds=kept_seconds
    )
