"""Lend the connection that loads: kept from chunk to chunk, since to open one costs more than a small load.

A lease names the backend of its load, and the sweeper may end that backend. So a connection is kept only by whoever
is sure that no lease names its backend any more, and it is reset, so that no load leaves anything to the next.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

import psycopg2
from psycopg2.extensions import connection as Connection

from libs.common.logs import get_logger
from libs.common.sql_files import read_statement
from services.loader.pooling import shares_backends

log = get_logger(__name__)

LONGEST_LIFE = 300.0
"""Seconds after which a connection is not kept again: new defaults of roles take hold, old caches go."""


@dataclass(slots=True)
class CachedConnection:
    """A connection and its backend; it is closed after use unless `reusable` is set.

    `is_shared`: a pooler may give the backend to others between two transactions.
    """

    connection: Connection
    backend_pid: int
    backend_start: datetime
    is_shared: bool = False
    reusable: bool = False
    opened: float = field(default_factory=monotonic)


class LoadingConnections:
    """Keeps at most one connection, which one thread at a time may borrow."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        """Connect to nothing yet."""
        self._connect = connect
        self._kept: list[CachedConnection] = []

    @contextmanager
    def acquire(self) -> Iterator[CachedConnection]:
        """Yield a connection that answers, in autocommit."""
        cached = self._take() or self._open()
        try:
            yield cached
        finally:
            if not (cached.reusable and self._keep(cached)):
                cached.connection.close()

    def close(self) -> None:
        """Close what is kept."""
        while self._kept:
            self._kept.pop().connection.close()

    def _take(self) -> CachedConnection | None:
        """Return the connection that is kept, if there is one and it still answers."""
        try:
            cached = self._kept.pop()
        except IndexError:
            return None
        cached.reusable = False
        try:
            _run(cached.connection, "SELECT")
        except psycopg2.Error as exc:
            log.info("kept_connection_lost", error=str(exc).strip())
            cached.connection.close()
            return None
        return cached

    def _open(self) -> CachedConnection:
        connection = self._connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pid, backend_start FROM pg_catalog.pg_stat_activity"
                    " WHERE pid = pg_catalog.pg_backend_pid()"
                )
                row = cursor.fetchone()
            if row is None:
                raise RuntimeError("a backend does not see itself in pg_stat_activity")
            pid, start = row
            return CachedConnection(
                connection, pid, start, shares_backends(connection, self._connect)
            )
        except BaseException:
            connection.close()
            raise

    def _keep(self, cached: CachedConnection) -> bool:
        """Take a connection back; False when it is not to be used again."""
        if self._kept or monotonic() - cached.opened > LONGEST_LIFE:
            return False
        try:
            cached.connection.autocommit = True
            # Settings, temporary tables, locks of the session: triggers may have left any of them.
            _run(cached.connection, read_statement(__package__, "reset_session"))
        except psycopg2.Error as exc:
            log.info("kept_connection_lost", error=str(exc).strip())
            return False
        self._kept.append(cached)
        return True


def _run(connection: Connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
