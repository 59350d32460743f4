"""Tick: send `dispatch_due` and `sweep` at fixed intervals, and nothing else.

Celery Beat is used as a clock only. What is due is decided in the database, so a tick that is late, lost or sent
twice does no harm, and Beat needs no memory of its own.
"""

from typing import Any

from celery import Celery
from celery.beat import Scheduler
from prometheus_client import Gauge

from libs.common.messaging.names import DISPATCH_DUE, SWEEP
from services.scheduler.settings import SchedulerSettings

LAST_TICK = Gauge(
    "adsp_scheduler_last_tick_timestamp_seconds", "When a tick was last sent, Unix time.", ["task"]
)


def set_schedule(celery: Celery, settings: SchedulerSettings) -> None:
    """Put the two ticks into Beat's schedule."""
    celery.conf.beat_schedule = {
        DISPATCH_DUE: _tick(DISPATCH_DUE, settings.dispatch_seconds),
        SWEEP: _tick(SWEEP, settings.sweep_seconds),
    }
    celery.conf.beat_max_loop_interval = min(settings.dispatch_seconds, settings.sweep_seconds)
    for task in (DISPATCH_DUE, SWEEP):
        LAST_TICK.labels(task=task)


def _tick(task: str, seconds: float) -> dict[str, Any]:
    # A tick that waited longer than its interval is dropped: the next one does the same work.
    return {
        "task": task,
        "schedule": seconds,
        "options": {"ignore_result": True, "expires": seconds},
    }


class Clock(Scheduler):
    """Beat's scheduler with its state in memory, which notes when it last sent each tick."""

    def apply_async(self, entry: Any, *args: Any, **kwargs: Any) -> Any:
        """Send a tick."""
        result = super().apply_async(entry, *args, **kwargs)
        LAST_TICK.labels(task=entry.task).set_to_current_time()
        return result
