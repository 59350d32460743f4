"""Run the worker: it plans and finishes jobs, makes the due ones and sweeps up what got lost."""

from prometheus_client import REGISTRY

from libs.common.logs import configure_logging
from libs.common.messaging.app import make_celery
from libs.common.messaging.job_log import keep_job_log
from libs.common.messaging.liveness_file import beat_into
from libs.common.messaging.names import LONG_PLANS_QUEUE, WORKER_QUEUES
from libs.common.messaging.worker_process import run_worker
from services.worker.ledger_metrics.collector import LedgerCollector
from services.worker.ledger_metrics.queries import make_reader
from services.worker.settings import WorkerSettings
from services.worker.tasks import register_tasks


def main() -> None:
    """Read the settings and consume the worker's queues until SIGTERM."""
    settings = WorkerSettings.read()
    configure_logging(settings, "worker")
    keep_job_log(settings, "worker")
    celery = make_celery(settings, "worker")
    register_tasks(celery, settings)
    beat_into(celery, settings)
    REGISTRY.register(LedgerCollector(make_reader(settings)))
    run_worker(
        celery,
        settings,
        service="worker",
        queues={
            **dict.fromkeys(WORKER_QUEUES, settings.worker_concurrency),
            LONG_PLANS_QUEUE: max(
                1, settings.worker_concurrency - 1
            ),  # short plans and ends never wait for long ones
        },
        concurrency=settings.worker_concurrency,
    )


if __name__ == "__main__":
    main()
