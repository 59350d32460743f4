"""Run a Celery worker in this process: what the worker and the loader have in common."""

import ctypes
import logging
import os
import signal
import socket
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from celery import Celery, signals
from celery.exceptions import SecurityWarning
from kombu.exceptions import KombuError

from libs.common.heap import settle_heap
from libs.common.logs import get_logger
from libs.common.messaging.child_metrics import measure_children
from libs.common.messaging.consumer import limit_queues
from libs.common.messaging.names import DEAD_LETTER_QUEUE
from libs.common.messaging.pool_metrics import watch_pool
from libs.common.messaging.queues import dead_letter_queue
from libs.common.messaging.stage_metrics import measure_waits
from libs.common.messaging.store_metrics import measure_store_retries
from libs.common.metrics import MetricsSettings, serve_metrics

log = get_logger(__name__)

_PR_SET_PDEATHSIG = 1


def run_worker(
    celery: Celery,
    settings: MetricsSettings,
    *,
    service: str,
    queues: Mapping[str, int],
    concurrency: int,
) -> None:
    """Consume `queues`, of each at most so many messages at a time, with `concurrency` child processes until SIGTERM.

    SIGTERM lets running tasks end first; children do not outlive a killed parent.
    """
    _connect_signals()
    _arrange_log()
    measure_children()
    measure_waits()
    measure_store_retries()
    watch_pool()
    serve_metrics(settings, service)
    _declare_dead_letters(celery)
    limit_queues(celery, queues)
    settle_heap()
    log.info("service_started", service=service, queues=[*queues], concurrency=concurrency)
    celery.worker_main(
        [
            "--quiet",  # no banner between the log's lines
            "worker",
            f"--concurrency={concurrency}",
            f"--queues={','.join(queues)}",
            f"--hostname={service}-{os.getpid()}@{socket.gethostname()}",
            "--without-gossip",  # workers learn nothing from each other: the ledger knows
            "--without-mingle",
        ]
    )


def _declare_dead_letters(celery: Celery) -> None:
    """Make the dead-letter queue, without which the broker drops what exceeds the delivery limit."""
    try:
        with celery.connection_for_write() as connection:
            dead_letter_queue()(connection).declare()
    except (KombuError, OSError) as exc:
        # The sweep declares it again; the worker itself waits for its broker.
        log.warning("dead_letter_queue_not_declared", queue=DEAD_LETTER_QUEUE, error=str(exc))


def _connect_signals() -> None:
    signals.setup_logging.connect(_keep_logging, weak=False)
    signals.worker_process_init.connect(partial(_die_with_parent, os.getpid()), weak=False)
    signals.task_prerun.connect(_bind_ids, weak=False)
    signals.task_postrun.connect(_clear_ids, weak=False)


def _arrange_log() -> None:
    """Log Python's warnings, but not that about root: it is about pickle, which is refused here."""
    logging.captureWarnings(capture=True)
    # It tells fifteen lines for each connection; what goes wrong is raised and logged by us.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=SecurityWarning)


def _keep_logging(**_: Any) -> None:
    """Leave logging as it is: a receiver of this signal keeps Celery from configuring it."""


def _die_with_parent(parent: int, **_: Any) -> None:
    """Let the kernel end this child when its parent dies, so that kill -9 leaves no orphan at work."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before it could be asked for


def _bind_ids(task_id: str, task: Any, kwargs: dict[str, Any] | None = None, **_: Any) -> None:
    ids = {
        name: value
        for name, value in (kwargs or {}).items()
        if name in {"job_id", "number", "request_id"}
    }
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id, **ids)


def _clear_ids(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
