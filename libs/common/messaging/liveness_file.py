"""Touch a file while a process without an HTTP interface is alive, so that anyone can read from its age whether it is.

The health checks of the images look at nothing else, so they cost next to nothing and need no broker.
"""

from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from pydantic import Field

from libs.common.settings import LoggingSettings

HEARTBEAT_SECONDS = 2.0


class LivenessSettings(LoggingSettings):
    """Where a process leaves its heartbeat."""

    heartbeat_file: Path | None = Field(
        None, description="File touched while the process is alive; none: not touched."
    )


def beat_into(celery: Celery, settings: LivenessSettings) -> None:
    """Let the app's consumers leave their heartbeat in the file that the settings name, if any."""
    celery.conf.heartbeat_file = settings.heartbeat_file
    celery.steps["consumer"].add(_ConsumerHeartbeat)


class _ConsumerHeartbeat(bootsteps.StartStopStep):
    """Touch the file from the consumer's own loop: a hung loop, or one without a broker, lets it age."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        """Take the file's name from the app's configuration."""
        self._file: Path | None = consumer.app.conf.get("heartbeat_file")
        self._timer: Any = None
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        """Touch the file again and again once the queues are consumed."""
        if self._file is not None:
            self._timer = consumer.timer.call_repeatedly(HEARTBEAT_SECONDS, self._file.touch)

    def stop(self, consumer: Any) -> None:  # noqa: ARG002
        """Let the file age while the consumer has no connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
