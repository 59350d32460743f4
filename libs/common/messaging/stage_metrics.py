"""Measure how long a message waits for its task and how long the stages of a job take."""

import time
from enum import StrEnum
from typing import Any

from celery import signals
from prometheus_client import Histogram

from libs.common.messaging.child_metrics import Measurement
from libs.common.messaging.names import WORK_QUEUES

SENT_AT = "adsp_sent_at_ms"
"""Header of a message: when it was sent, Unix time in milliseconds."""

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)


class StageOfJob(StrEnum):
    """What a job goes through; `wait` is from its row to its plan, `judge` a part of `load`."""

    WAIT = "wait"
    PLAN = "plan"
    LOAD = "load"
    JUDGE = "judge"
    FINISH = "finish"


STAGES = Measurement(
    Histogram(
        "adsp_stage_duration_seconds",
        "Seconds that a stage of a job took: wait is from the job's row to its plan, judge a part of load.",
        ["stage"],
        buckets=_SECONDS,
    ),
    [(stage.value,) for stage in StageOfJob],
)
QUEUE_WAIT = Measurement(
    Histogram(
        "adsp_queue_wait_seconds",
        "Seconds from a message's publishing to the begin of its task.",
        ["queue"],
        buckets=_SECONDS,
    ),
    [(queue,) for queue in sorted(WORK_QUEUES)],
)


def measure_waits() -> None:
    """Observe the wait of each message from now on."""
    signals.task_prerun.connect(_observe_wait, weak=False)


def _observe_wait(task: Any, **_: Any) -> None:
    sent_at = task.request.get(SENT_AT)
    queue = (task.request.delivery_info or {}).get("routing_key")
    if isinstance(sent_at, int) and queue in WORK_QUEUES:
        # The clocks of two machines may differ.
        QUEUE_WAIT.add(max(0.0, time.time() - sent_at / 1000), queue)
