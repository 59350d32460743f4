"""Run the scheduler: a clock that ticks for the workers."""

from functools import partial
from typing import Any

from celery import signals

from libs.common.logs import configure_logging, get_logger
from libs.common.messaging.app import make_celery
from libs.common.messaging.dispatcher import Dispatcher
from libs.common.metrics import serve_metrics
from services.scheduler.clock import Clock, set_schedule
from services.scheduler.settings import SchedulerSettings

log = get_logger(__name__)


def main() -> None:
    """Read the settings and tick until SIGTERM."""
    settings = SchedulerSettings.read()
    configure_logging(settings, "scheduler")
    signals.setup_logging.connect(_keep_logging, weak=False)
    celery = make_celery(settings, "scheduler")
    set_schedule(celery, settings)
    serve_metrics(settings, "scheduler")
    log.info(
        "service_started",
        dispatch_seconds=settings.dispatch_seconds,
        sweep_seconds=settings.sweep_seconds,
    )
    clock: Any = partial(
        Clock,
        dispatcher=Dispatcher(celery, settings.publish_timeout),
        heartbeat_file=settings.heartbeat_file,
    )
    celery.Beat(scheduler_cls=clock, quiet=True).run()


def _keep_logging(**_: object) -> None:
    """Leave logging as it is: a receiver of this signal keeps Celery from configuring it."""


if __name__ == "__main__":
    main()
