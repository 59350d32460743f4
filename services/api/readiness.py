"""Ask each server whether it answers, each within the same short time, for ``/readyz``."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import psycopg2
import redis
from amqp.exceptions import AMQPError
from kombu import Connection
from kombu.exceptions import KombuError

from libs.common.postgres.hosts import DatabaseHosts, connection_parameters
from services.api.settings import ApiSettings

POSTGRES, RABBITMQ, REDIS = "postgres", "rabbitmq", "redis"
REQUIRED = (POSTGRES, RABBITMQ)
_FRESH_SECONDS = 0.5
"""Anyone may ask, uncounted: each answer would cost the servers a connection."""

_UNANSWERED_MS = 10_000

_CONNECTIONS = (
    "SELECT sum(numbackends)::int, current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int FROM pg_catalog.pg_stat_database"
)

_TROUBLE = (psycopg2.Error, redis.RedisError, KombuError, AMQPError, OSError)


@dataclass(frozen=True)
class ServerCheck:
    """What one server answered; `error` is None when it is well."""

    server: str
    error: str | None


class ConnectionsTaken(NamedTuple):
    """How many connections to Postgres were open at the last look, of all its databases, and how many there may be."""

    taken: int
    most: int


class Readiness:
    """Checks the servers in parallel, for all who ask at about the same time; one that hangs is not started again."""

    def __init__(self, settings: ApiSettings) -> None:
        """Prepare the checks; nothing is connected yet."""
        self._settings = settings
        self._timeout = settings.readiness_timeout
        self._hosts = DatabaseHosts()
        self._checks: dict[str, Callable[[], None]] = {
            POSTGRES: self._reach_postgres,
            RABBITMQ: self._reach_rabbitmq,
            REDIS: self._reach_redis,
        }
        self.connections: ConnectionsTaken | None = None
        self._threads = ThreadPoolExecutor(len(self._checks), "readiness")
        self._lock = Lock()
        self._running: dict[str, Future[None]] = {}
        self._started_at: dict[str, float] = {}

    def check(self) -> list[ServerCheck]:
        """Check every server, as of half a second ago at most; takes no longer than the timeout and a little."""
        with self._lock:
            futures = {name: self._start(name) for name in self._checks}
        wait(futures.values(), self._timeout)
        return [ServerCheck(name, self._error_of(future)) for name, future in futures.items()]

    def close(self) -> None:
        """Give the threads back."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self, name: str) -> Future[None]:
        running = self._running.get(name)
        age = time.monotonic() - self._started_at.get(name, -_FRESH_SECONDS)
        if running is None or (running.done() and age >= _FRESH_SECONDS):
            running = self._running[name] = self._threads.submit(self._checks[name])
            self._started_at[name] = time.monotonic()
        return running

    def _error_of(self, future: Future[None]) -> str | None:
        if not future.done():
            return f"no answer within {self._timeout:g} s"
        try:
            future.result()
        except _TROUBLE as exc:
            return type(exc).__name__
        return None

    def _reach_postgres(self) -> None:
        connection = self._hosts.connect(
            {
                **connection_parameters(self._settings.database_url),
                "connect_timeout": max(2, int(self._timeout)),
                "application_name": "adsp-readiness",
                "tcp_user_timeout": _UNANSWERED_MS,
            }
        )
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(_CONNECTIONS)
            self.connections = ConnectionsTaken(*(cursor.fetchone() or ()))

    def _reach_rabbitmq(self) -> None:
        timeouts = {"read_timeout": self._timeout, "write_timeout": self._timeout}
        with Connection(
            self._settings.broker_url, connect_timeout=self._timeout, transport_options=timeouts
        ) as connection:
            # Straight to the transport: kombu's own `connect` tries again for ever.
            transport = connection.transport
            transport.close_connection(transport.establish_connection())

    def _reach_redis(self) -> None:
        client = redis.Redis.from_url(
            self._settings.redis_url,
            socket_connect_timeout=self._timeout,
            socket_timeout=self._timeout,
        )
        with client:
            client.ping()
