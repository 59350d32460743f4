"""Define what was logged about a job, as the api answers with it."""

from datetime import datetime
from typing import Any

from libs.client.models import Document


class LogLine(Document):
    """What a service has logged about a job."""

    at: datetime
    level: str
    service: str
    event: str
    fields: dict[str, Any]


class JobLog(Document):
    """The newest lines of a job, oldest first."""

    items: list[LogLine]
    kept_seconds: int
