"""Make the Celery app: one configuration for api, worker, loader and scheduler.

Every line that is not Celery's default is here for a rule of docs/explanation/reliability-rules.md, named beside it.
"""

from typing import Any

from celery import Celery

from libs.common.messaging.consumer import DirectConsumer
from libs.common.messaging.names import JOBS_QUEUE, ROUTES
from libs.common.messaging.queues import work_queues
from libs.common.messaging.results import BACKEND
from libs.common.messaging.warm_shutdown import POOL
from libs.common.settings import MessagingSettings

REDIS_TIMEOUT = 2.0  # seconds; a result is not worth a longer wait
SOFT_SHUTDOWN = 10.0  # seconds that running tasks have left after SIGQUIT


def make_celery(settings: MessagingSettings, service: str) -> Celery:
    """Make the Celery app of a service; nothing is connected yet."""
    celery = Celery(service, set_as_current=False)
    celery.conf.update(_broker(settings), **_tasks_and_results(settings))
    return celery


def _broker(settings: MessagingSettings) -> dict[str, Any]:
    return {
        "broker_url": settings.broker_url,
        "broker_connection_timeout": settings.publish_timeout,
        "broker_connection_retry_on_startup": True,  # servers may start in any order
        "broker_connection_max_retries": None,  # a worker waits for its broker, it does not give up
        "broker_heartbeat": settings.broker_heartbeat,
        "broker_transport_options": {
            # A publish without a confirm proves nothing (rule 1); `Dispatcher` bounds the wait for it.
            "confirm_publish": True,
        },
        "task_queues": work_queues(settings.queue_delivery_limit),
        "worker_detect_quorum_queues": True,  # they know no global prefetch limit
    }


def _tasks_and_results(settings: MessagingSettings) -> dict[str, Any]:
    return {
        "task_serializer": "json",
        "accept_content": ["json"],  # never pickle: a message must not be able to run code
        "result_accept_content": ["json"],
        "task_default_queue": JOBS_QUEUE,
        "task_publish_retry": False,  # the sweeper is the retry; the caller must not wait (rule 1)
        "task_routes": {task: {"queue": queue} for task, queue in ROUTES.items()},
        "task_create_missing_queues": False,  # a misspelt queue is an error, not a new queue
        "task_acks_late": True,  # acknowledged after the ledger's commit (rule 3)
        "task_reject_on_worker_lost": True,  # a killed child's message comes again (rule 5)
        "task_acks_on_failure_or_timeout": True,  # a failed task is retried from the ledger, not the queue
        "task_track_started": False,  # with Redis away it would acknowledge unrun tasks (rule 6)
        "worker_prefetch_multiplier": 1,  # a chunk must not wait behind a busy loader (rule 5)
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # fenced by the lease instead (rule 4)
        "worker_soft_shutdown_timeout": SOFT_SHUTDOWN,  # SIGQUIT, unlike SIGTERM, does not wait for ever
        "worker_enable_remote_control": False,  # one queue and one consumer less per process
        "worker_hijack_root_logger": False,  # structlog owns the log
        "worker_redirect_stdouts": False,
        "worker_pool": POOL,  # SIGTERM must not make messages of running tasks come again
        "worker_consumer": f"{DirectConsumer.__module__}:{DirectConsumer.__qualname__}",
        "result_backend": f"{BACKEND}+{settings.redis_url}",
        "result_expires": settings.result_expires,
        "result_backend_transport_options": {
            "retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0.1}
        },
        "redis_socket_connect_timeout": REDIS_TIMEOUT,
        "redis_socket_timeout": REDIS_TIMEOUT,
        "timezone": "UTC",
    }
