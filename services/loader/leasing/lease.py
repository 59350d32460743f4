"""Hold the lease of a chunk: claim it, renew it from a thread, notice when it is lost or the job cancelled.

The lease tells others who loads and how far, and who holds it when all is written may commit. That only one copies is
what the fence is for (`libs.common.ledger.fences`): a loader that lost its lease can do no harm, it only has to stop.
"""

import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

import psycopg2
from psycopg2.errors import LockNotAvailable, QueryCanceled
from psycopg2.extensions import connection as Connection

from libs.common.errors import LeaseLost
from libs.common.ledger.fences import fence_of
from libs.common.logs import get_logger
from libs.common.postgres.silence import UNANSWERED_MS, break_off, limit_unanswered
from libs.common.sql_files import read_statement
from services.loader.leasing.chunks import ChunkKey
from services.loader.leasing.connection_cache import CachedConnection
from services.loader.settings import LoaderSettings

log = get_logger(__name__)

_CLAIM_WAIT = "5s"
_HELD_BY_A_LOAD = "55P03"
_LONGEST_BEAT = 5.0
"""Seconds that a renewal may wait for a lock, at most; a sixth of the lease when that is less."""
_SHORTEST_BEAT = 0.5
_LONGEST_STOP = 1.0
"""Seconds that the end of a load waits for a beat under way."""


class LoadCancelled(Exception):
    """The job is over, or a person asked for it to be cancelled."""


@dataclass(slots=True)
class Progress:
    """How far a load is; written by the load, read by the heartbeat."""

    bytes_done: int = 0
    rows_read: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease that was taken: by whom, for which attempt (from 1), and time zone, date order and table of the dataset.

    `lock_waits` of the attempts before ended because a lock was not available.
    """

    holder: str
    attempt: int
    lock_waits: int
    time_zone: str
    date_order: str
    table: str

    @property
    def tries(self) -> int:
        """Return how many attempts count, with this one."""
        return self.attempt - self.lock_waits


def claim(
    cached: CachedConnection, job_id: UUID, number: int, settings: LoaderSettings
) -> Claim | None:
    """Take the chunk's lease for the backend that is to load it, in a transaction of its own.

    Returns None when there is nothing to load: the chunk has ended, its job is not running, or another loader
    is processing it.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    parameters = {
        "job_id": str(job_id),
        "number": number,
        "holder": holder,
        "fence": fence_of(job_id, number),
        "lease_seconds": settings.lease_seconds,
        "backend_pid": cached.backend_pid,
        "backend_start": cached.backend_start,
    }
    # Statements sent at once are one transaction. Undone by a crash of Postgres, the claim has lost its backend too.
    statements = [
        f"SET LOCAL lock_timeout = '{_CLAIM_WAIT}'",
        "SET LOCAL synchronous_commit = off",
        read_statement(__package__, "claim"),
    ]
    with cached.connection.cursor() as cursor:
        try:
            cursor.execute(";\n".join(statements), parameters)
        except psycopg2.OperationalError as exc:
            if exc.pgcode != _HELD_BY_A_LOAD:
                raise
            return None
        row = cursor.fetchone()
    return Claim(holder, *row) if row else None


class Heartbeat:
    """Renew a lease every few seconds; interrupt the load when it must stop.

    `connect` opens another connection when the heartbeat's own is lost.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        loading: CachedConnection,
        key: ChunkKey,
        settings: LoaderSettings,
    ) -> None:
        """Prepare the thread; `start` starts it."""
        self.progress = Progress()
        self._connect = connect
        self._loading = loading.connection
        self._backend = {
            "backend_pid": loading.backend_pid,
            "backend_start": loading.backend_start,
        }
        self._parameters = {**key.parameters, "lease_seconds": settings.lease_seconds}
        self._settings = settings
        self._verdict: Exception | None = None
        self._stopped = threading.Event()
        self._interrupting = threading.Lock()
        self._may_interrupt = True
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to renew the lease, and let the load wait for Postgres while that goes well."""
        self._limit_unanswered(0)
        self._thread.start()

    def stop(self) -> None:
        """Let the heart stop; afterwards nothing interrupts the load any more.

        A beat may wait for a lock behind DDL that waits for this load to end: it is not waited for, Postgres ends it.
        """
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_LONGEST_STOP)
        if self._thread.is_alive():
            log.warning("heartbeat_left_behind")
            with self._interrupting:
                self._may_interrupt = False
        self._limit_unanswered(min(UNANSWERED_MS, self._settings.lease_seconds * 1000))

    def check(self) -> None:
        """Raise `LeaseLost` or `LoadCancelled` when the load must stop."""
        if self._verdict is not None:
            raise self._verdict

    def _run(self) -> None:
        """Beat until stopped or until there is a reason to stop the load."""
        connection: Connection | None = None
        renewed = monotonic()
        try:
            while not self._stopped.wait(self._settings.heartbeat_seconds):
                verdict: Exception | None = None
                try:
                    connection = connection or self._open()
                    verdict = self._beat(connection)
                    renewed = monotonic()
                except (LockNotAvailable, QueryCanceled) as exc:
                    # Somebody has locked the ledger. That does not lose the lease: only its row tells that.
                    log.warning("heartbeat_timed_out", error=str(exc).strip())
                    renewed = monotonic()
                except psycopg2.Error as exc:
                    log.warning("heartbeat_failed", error=str(exc).strip())
                    _close(connection)
                    connection = None
                    if monotonic() - renewed > self._settings.lease_seconds:
                        verdict = LeaseLost("the lease could not be renewed in time")
                if verdict is not None:
                    self._interrupt(verdict, connection)
                    return
        finally:
            _close(connection)

    def _interrupt(self, verdict: Exception, connection: Connection | None) -> None:
        """Stop the load, unless it has stopped listening; `connection` is the heart's own, if it has one."""
        with self._interrupting:
            if self._may_interrupt:
                self._verdict = verdict
                if connection is None or not self._cancel(connection):
                    # Its server is gone, and the kernel would wait for that for long.
                    with suppress(psycopg2.Error, OSError):
                        break_off(self._loading)

    def _cancel(self, connection: Connection) -> bool:
        """Cancel the load's statement; return whether there was a backend to ask.

        psycopg2's own `cancel` keeps all threads of the process waiting for the server.
        """
        try:
            with connection.cursor() as cursor:
                cursor.execute(read_statement(__package__, "cancel_load"), self._backend)
                return cursor.fetchone() is not None
        except psycopg2.Error as exc:
            log.warning("load_not_interrupted", error=str(exc).strip())
            return False

    def _limit_unanswered(self, milliseconds: int) -> None:
        """Set how long the load's connection waits for a silent Postgres, if it still is one."""
        with suppress(psycopg2.Error, OSError):
            limit_unanswered(self._loading, milliseconds)

    def _open(self) -> Connection:
        """Connect so that each beat is its own transaction: a loader frozen in one must not keep the lease locked."""
        connection = self._connect()
        connection.autocommit = True
        return connection

    def _beat(self, connection: Connection) -> Exception | None:
        """Renew the lease once; return the reason to stop, if there is one."""
        state = {"bytes_done": self.progress.bytes_done, "rows_read": self.progress.rows_read}
        longest = min(_LONGEST_BEAT, max(_SHORTEST_BEAT, self._settings.lease_seconds / 6))
        # Statements sent at once are one transaction; its limits end with it.
        statements = [
            f"SET LOCAL lock_timeout = '{longest * 1000:.0f}ms'",
            f"SET LOCAL statement_timeout = '{longest * 2000:.0f}ms'",
            read_statement(__package__, "renew"),
        ]
        with connection.cursor() as cursor:
            cursor.execute(";\n".join(statements), {**self._parameters, **self._backend, **state})
            row = cursor.fetchone()
        if row is None:
            return LeaseLost("another loader or the sweeper has taken the chunk's lease")
        is_cancelled, is_loading = row
        if not is_loading:
            return LeaseLost("the backend that loads has ended, or is on a server that is gone")
        return LoadCancelled() if is_cancelled else None


def _close(connection: Connection | None) -> None:
    """Close a connection if there is one."""
    if connection is not None:
        connection.close()
