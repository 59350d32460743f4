"""Run a worker whose plan task does what its request id says; started by the tests as a process."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from libs.common.logs import configure_logging, get_logger
from libs.common.messaging.app import make_celery
from libs.common.messaging.liveness_file import LivenessSettings, beat_into
from libs.common.messaging.names import JOBS_QUEUE, PLAN
from libs.common.messaging.worker_process import run_worker
from libs.common.metrics import MetricsSettings
from libs.common.settings import MessagingSettings
from libs.devstack.testing.waiting import wait_for

log = get_logger(__name__)

BURNT_SECONDS = 0.2
"""CPU time that the task uses when it is to burn."""


class ProbeSettings(MetricsSettings, LivenessSettings, MessagingSettings):
    """What the probe needs to know."""

    tasks_per_child: int | None = None
    queues: dict[str, int] = {JOBS_QUEUE: 1}  # noqa: RUF012  # a model copies it
    concurrency: int = 1


def main(folder: Path) -> None:
    """Consume the queues; each run of the task leaves a file with its process' id."""
    settings = ProbeSettings.read()
    configure_logging(settings, "probe")
    celery = make_celery(settings, "probe")

    @celery.task(name=PLAN)
    def plan(job_id: str, request_id: str) -> str:
        log.info("probe_ran")
        if request_id == "burn":
            _burn()
        with (folder / job_id).open("a") as runs:
            runs.write(f"{os.getpid()}\n")
        if request_id == "die":
            _die()
        if request_id == "fail":
            raise RuntimeError("as asked")
        if request_id == "hold":
            wait_for((folder / "release").exists, 60, "release")
            (folder / f"{job_id}.ended").touch()
        return request_id

    # Unlimited unless a test wants new children.
    celery.conf.update(worker_max_tasks_per_child=settings.tasks_per_child)
    beat_into(celery, settings)
    run_worker(
        celery,
        settings,
        service="probe",
        queues=settings.queues,
        concurrency=settings.concurrency,
    )


def _burn() -> None:
    end = time.process_time() + BURNT_SECONDS
    while time.process_time() < end:
        pass


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
