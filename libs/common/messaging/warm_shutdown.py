"""Let a worker that ends wait for each task that a child has got.

Celery's own pool forgets a task on SIGTERM when it has not yet read the child's word that the task has begun. The child
runs it all the same; but nobody acknowledges the message, which comes again, and the child waits 30 s for its parent
to take note of the end.
"""

from typing import Any

from celery.concurrency.prefork import (  # type: ignore[attr-defined]  # RUN is unknown to celery-types
    RUN,
    TaskPool,
)

from libs.common.logs import get_logger

log = get_logger(__name__)


class _Children(TaskPool.Pool):  # type: ignore[misc,valid-type]  # a variable in celery-types
    """Celery's child processes and what they are sent."""

    _state: int
    _cache: dict[int, Any]  # tasks without an end, by number
    _active_writers: set[Any]  # what is being written to children

    def flush(self) -> None:
        """Forget the tasks that no child has got; after a lost connection, those not known to have begun as well."""
        if self._state == RUN:
            # The broker sends them again anyway, and a child's late word does no harm.
            super().flush()
            return
        kept = {number: job for number, job in self._cache.items() if self._is_handed_over(job)}
        super().flush()
        self._cache.update(kept)
        log.info("pool_draining", tasks=len(kept))

    def _is_handed_over(self, job: Any) -> bool:
        # A child's pipe holds all of it once its writer is done; the order to end comes behind it.
        return job._write_to is not None and job._writer() not in self._active_writers  # noqa: SLF001


class DrainingPool(TaskPool):
    """A prefork pool whose warm shutdown loses no task that a child has got."""

    Pool = _Children


POOL = f"{DrainingPool.__module__}:{DrainingPool.__qualname__}"
