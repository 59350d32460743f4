"""Keep Celery's results in Redis without ever depending on Redis.

A result is a convenience for whoever asks ``GET /v1/tasks/{id}``; the ledger holds the truth. So sending a
task does not touch Redis, and a result that cannot be stored is logged and dropped.
"""

from functools import partial
from typing import Any

from celery.backends.redis import RedisBackend
from celery.exceptions import BackendError
from redis.exceptions import RedisError

from libs.common.logs import get_logger

log = get_logger(__name__)


class LossyRedisBackend(RedisBackend):
    """A Redis result backend whose outage neither blocks a send nor fails a task."""

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Skip the subscription to the result: nobody here waits for one while it is made."""

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        """Store a result, or log that it is lost."""
        try:
            return super().store_result(task_id, result, state, *args, **kwargs)
        except (RedisError, BackendError, OSError) as exc:
            log.warning("result_not_stored", task_id=task_id, state=state, error=str(exc))
            return result

    def set(self, key: Any, value: Any, expires: int | None = None, **retry_policy: Any) -> Any:
        """Write a key with its lifetime; Celery's own also tells subscribers, of which there are none."""
        own: int = self.expires  # type: ignore[attr-defined]  # unknown to celery-types
        lifetime = own if expires is None else expires
        return self.ensure(partial(self.client.set, ex=lifetime), (key, value), **retry_policy)


BACKEND = f"{LossyRedisBackend.__module__}:{LossyRedisBackend.__qualname__}"
