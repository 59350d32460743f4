"""Tick: send `dispatch_due`, `sweep` and `retain` at fixed intervals, and nothing else.

Celery Beat is used as a clock only. What is due is decided in the database, so a tick that is late, lost or sent
twice does no harm, and Beat needs no memory of its own.
"""

from pathlib import Path
from typing import Any

from celery import Celery
from celery.beat import Scheduler
from prometheus_client import Counter, Gauge

from libs.common.errors import PublishFault
from libs.common.logs import get_logger
from libs.common.messaging.dispatcher import Dispatcher
from libs.common.messaging.names import CLEANUP, DISPATCH_DUE, SWEEP
from services.scheduler.settings import SchedulerSettings

log = get_logger(__name__)

LAST_TICK = Gauge(
    "adsp_scheduler_tick_timestamp_seconds",
    "When the broker last confirmed a tick, Unix time; 0: not yet.",
)
TICKS = Counter(
    "adsp_scheduler_ticks_total", "Ticks, by whether the broker confirmed them.", ["result"]
)
SENT, FAILED = TICKS.labels("sent"), TICKS.labels("failed")


def set_schedule(celery: Celery, settings: SchedulerSettings) -> None:
    """Put the ticks into Beat's schedule."""
    celery.conf.beat_schedule = {
        DISPATCH_DUE: _tick(DISPATCH_DUE, settings.dispatch_seconds),
        SWEEP: _tick(SWEEP, settings.sweep_seconds),
        CLEANUP: _tick(CLEANUP, settings.cleanup_interval_seconds),
    }
    celery.conf.beat_max_loop_interval = min(settings.dispatch_seconds, settings.sweep_seconds)


def _tick(task: str, seconds: float) -> dict[str, Any]:
    # A tick that waited longer than its interval is dropped: the next one does the same work.
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


class Clock(Scheduler):
    """Beat's scheduler with its state in memory, whose sends are bounded.

    Beat's own send waits for a confirm without a bound, and for a broker that is away without an end.
    """

    producer: Any = None  # the dispatcher has a connection of its own

    def __init__(
        self, *args: Any, dispatcher: Dispatcher, heartbeat_file: Path | None = None, **kwargs: Any
    ) -> None:
        """Tick through `dispatcher`, and touch `heartbeat_file` each time round."""
        self._dispatcher = dispatcher
        self._heartbeat_file = heartbeat_file
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due and return the seconds until more is; a clock that hangs leaves no sign."""
        seconds: float = super().tick(*args, **kwargs)
        if self._heartbeat_file is not None:
            self._heartbeat_file.touch()
        return seconds

    def apply_entry(self, entry: Any, producer: object = None) -> None:  # noqa: ARG002
        """Send a tick; one that is lost is made up for by the next."""
        try:
            self._dispatcher.send_tick(entry.task, entry.options["expires"])
        except PublishFault as exc:
            log.warning("tick_lost", task=entry.task, error=str(exc))
            FAILED.inc()
        else:
            SENT.inc()
            LAST_TICK.set_to_current_time()
