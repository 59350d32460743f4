"""Run the loader: a Celery worker of its own queue that takes chunks and copies them into Postgres."""

from libs.common.logs import configure_logging
from libs.common.messaging.app import make_celery
from libs.common.messaging.heartbeat import beat_into
from libs.common.messaging.names import LOAD_QUEUE
from libs.common.messaging.worker_process import run_worker
from libs.common.postgres.copy.encoder import warm_up as warm_up_encoder
from services.loader.rejects.columns import warm_up as warm_up_rejects
from services.loader.settings import LoaderSettings
from services.loader.tasks import register_tasks

SERVICE = "loader"


def main() -> None:
    """Wire the loader and run it until it is told to stop."""
    settings = LoaderSettings.read()
    configure_logging(settings, SERVICE)
    warm_up_encoder()
    warm_up_rejects()
    celery = make_celery(settings, SERVICE)
    register_tasks(celery, settings)
    beat_into(celery, settings)
    run_worker(
        celery,
        settings,
        service=SERVICE,
        queues=[LOAD_QUEUE],
        concurrency=settings.loader_concurrency,
    )


if __name__ == "__main__":
    main()
