"""Run the loader: a Celery worker of its own queues that takes chunks and copies them into Postgres."""

from libs.common.csv import line_scanner
from libs.common.logs import configure_logging
from libs.common.messaging.app import make_celery
from libs.common.messaging.job_log import keep_job_log
from libs.common.messaging.liveness_file import beat_into
from libs.common.messaging.names import LOAD_QUEUE, SMALL_LOADS_QUEUE
from libs.common.messaging.worker_process import run_worker
from libs.common.postgres.copy import picked_fields
from libs.common.postgres.copy import warm_up as tuples
from libs.common.postgres.copy.row_forms import TEXT
from services.loader.heap import share_one_heap
from services.loader.rejects import columns
from services.loader.settings import LoaderSettings
from services.loader.tasks import register_tasks

SERVICE = "loader"


def main() -> None:
    """Wire the loader and run it until it is asked to stop."""
    share_one_heap()
    settings = LoaderSettings.read()
    configure_logging(settings, SERVICE)
    keep_job_log(settings, SERVICE)
    warm_up()
    celery = make_celery(settings, SERVICE)
    register_tasks(celery, settings)
    beat_into(celery, settings)
    run_worker(
        celery,
        settings,
        service=SERVICE,
        queues={
            LOAD_QUEUE: max(
                1, settings.loader_concurrency - 1
            ),  # so that small loads never wait for large ones
            SMALL_LOADS_QUEUE: settings.loader_concurrency,
        },
        concurrency=settings.loader_concurrency,
    )


def warm_up() -> None:
    """Compile what a load needs, or find it where it is kept; a child forked from this process has it then."""
    tuples.warm_up()
    picked_fields.warm_up()
    columns.warm_up()


def compile_everything() -> None:
    """Compile what any load may need: for an image, whose read-only file system keeps nothing that comes later."""
    warm_up()
    line_scanner.warm_up()
    tuples.warm_up([TEXT])


if __name__ == "__main__":
    main()
