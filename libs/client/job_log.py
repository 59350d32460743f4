"""Define what was logged about a job, as the api answers with it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class LogLine(BaseModel):
    """What a service has logged about a job."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime
    level: str
    service: str
    event: str
    fields: dict[str, Any]


class JobLog(BaseModel):
    """The newest lines of a job, oldest first."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    items: list[LogLine]
    kept_seconds: int
