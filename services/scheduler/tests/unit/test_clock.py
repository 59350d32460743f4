"""The clock shows that it turns."""

from pathlib import Path
from typing import Any

from celery import Celery

from services.scheduler.clock import Clock


def _clock_without_ticks(heartbeat: Path | None) -> Clock:
    dispatcher: Any = None  # nothing is sent
    celery = Celery(set_as_current=False)
    celery.conf.beat_schedule = {}
    clock = Clock(celery, dispatcher=dispatcher, heartbeat_file=heartbeat)
    clock.schedule.clear()
    return clock


def test_each_round_touches_the_heartbeat_file(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"

    _clock_without_ticks(heartbeat).tick()

    assert heartbeat.exists()


def test_a_clock_without_a_file_turns_too() -> None:
    assert _clock_without_ticks(None).tick() > 0
