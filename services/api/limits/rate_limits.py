"""Count the requests of each key, or of each address without one, and say when there were too many.

    count in Redis, shared by all apis ──► Redis away ──► count in this process alone, for a while

A limit that cannot be counted must not close the api: it falls open to the memory of each process.
"""

import time

from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis import ConnectionPool

from libs.common.logs import get_logger

log = get_logger(__name__)

_REDIS_SECONDS = 0.2
"""How long a request may wait for its count."""

_AWAY_SECONDS = 5.0
"""How long Redis is left alone after it failed, so that not every request waits in vain."""


class RateLimits:
    """Counts by fixed windows of a minute; safe to be called from several threads."""

    def __init__(self, redis_url: str, per_minute: int) -> None:
        """Prepare the counters; nothing is connected yet. `per_minute` 0 means no limit."""
        self._limit = RateLimitItemPerMinute(max(per_minute, 1), namespace="adsp")
        self._is_on = per_minute > 0
        self._pool = ConnectionPool.from_url(
            redis_url, socket_connect_timeout=_REDIS_SECONDS, socket_timeout=_REDIS_SECONDS
        )
        storage = RedisStorage(
            redis_url, connection_pool=self._pool, key_prefix="adsp-limits", wrap_exceptions=True
        )
        self._shared = FixedWindowRateLimiter(storage)
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._shared_again_at = 0.0

    def count(self, who: str) -> int:
        """Count a request and return 0, or the seconds to wait when it is one too many."""
        if not self._is_on:
            return 0
        if time.monotonic() >= self._shared_again_at:
            try:
                return self._count_with(self._shared, who)
            except StorageError as exc:
                self._shared_again_at = time.monotonic() + _AWAY_SECONDS
                log.warning("rate_limits_not_shared", error=type(exc.storage_error).__name__)
        return self._count_with(self._own, who)

    def close(self) -> None:
        """Close the connections to Redis."""
        self._pool.disconnect()

    def _count_with(self, limiter: FixedWindowRateLimiter, who: str) -> int:
        if limiter.hit(self._limit, who):
            return 0
        window = limiter.get_window_stats(self._limit, who)
        return max(1, round(window.reset_time - time.time()))
