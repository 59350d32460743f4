"""Put on record why a load did not end well, and decide whether its chunk is begun again.

    BadInput ──────────────────────────────────► failed, with the failed rows found so far
    a lock was not available ──► queued, later ──► failed after `max_lock_waits`
    a fault that may pass ─────► queued, later ──► failed after `chunk_max_attempts`
    any other fault ───────────────────────────► failed

Every record is made on a connection of its own: that of the load may be gone. The worker's sweep sends a queued chunk
again, and frees those of loaders that died.
"""

import traceback
from collections.abc import Callable
from contextlib import closing
from enum import StrEnum

import psycopg2
from psycopg2.extensions import connection as Connection

from libs.common.enums import ChunkState
from libs.common.errors import BadInput, cut_message
from libs.common.logs import get_logger
from services.loader.leasing.chunk_ends import (
    ChunkEnd,
    Requeue,
    RowCounts,
    close_chunk,
    requeue_chunk,
)
from services.loader.leasing.chunks import ChunkKey
from services.loader.leasing.lease import Claim
from services.loader.metrics import POSTPONED, PutOff
from services.loader.rejects.masked_messages import describe_fault
from services.loader.rejects.rejection import is_transient
from services.loader.rejects.spool import RejectSpool
from services.loader.settings import LoaderSettings

log = get_logger(__name__)

_LOCK_NOT_AVAILABLE = "55P03"
_LONGEST_WAIT = 300.0


class Outcome(StrEnum):
    """What became of one delivery of a chunk."""

    LOADED = "loaded"
    FAILED = "failed"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class Setbacks:
    """Records what kept loads from ending well."""

    def __init__(self, settings: LoaderSettings, connect: Callable[[], Connection]) -> None:
        """Record on new connections that `connect` opens."""
        self._settings = settings
        self._connect = connect

    def record(
        self, key: ChunkKey, claimed: Claim, error: Exception, rejects: RejectSpool
    ) -> Outcome:
        """Record what an attempt ended with; `rejects` are the failed rows that it found."""
        if isinstance(error, BadInput):
            kept = rejects if error.code != "source-changing" else None
            return self._fail(key, error.code, error.message, kept)
        sqlstate = getattr(error, "pgcode", None)
        reason = _describe(error) if rejects.mask is None else describe_fault(error)
        if sqlstate == _LOCK_NOT_AVAILABLE:
            return self._put_off(key, claimed, reason)
        if not isinstance(error, psycopg2.Error | OSError):
            shown = {"exc_info": error} if rejects.mask is None else {"stack": _stack_of(error)}
            log.error("chunk_attempt_failed", **shown, **key.fields)
        return self._give_back(key, claimed.tries, reason, sqlstate)

    def requeue(self, key: ChunkKey, again: Requeue) -> None:
        """Give the chunk back: to be sent after so many seconds, or when the worker releases it or ends the job."""
        with closing(self._connect()) as side, side, side.cursor() as cursor:
            requeue_chunk(cursor, key, again)

    def _fail(self, key: ChunkKey, code: str, message: str, rejects: RejectSpool | None) -> Outcome:
        """Record that the chunk cannot be loaded, with the failed rows found so far."""
        count = rejects.count if rejects else 0
        end = ChunkEnd(
            ChunkState.FAILED,
            rows_rejected=count,
            rejected_by_code=rejects.by_code if rejects else {},
            error_code=code,
            error_message=cut_message(message),
            by_file={
                number: RowCounts(rows_rejected=rejected)
                for number, rejected in (rejects.by_file.items() if rejects else ())
            },
        )
        with closing(self._connect()) as side, side, side.cursor() as cursor:
            # First, while nothing is locked: no timeout ends a COPY whose client has been frozen.
            if rejects is not None:
                rejects.write(cursor)
            if not close_chunk(cursor, key, end):
                side.rollback()
                return Outcome.SKIPPED
        log.warning("chunk_failed", error_code=code, **key.fields, **end.counts)
        return Outcome.FAILED

    def _put_off(self, key: ChunkKey, claimed: Claim, reason: str) -> Outcome:
        """Let others load while somebody holds what this load needs; that is no attempt that went wrong."""
        waits, seconds = claimed.lock_waits + 1, self._settings.lock_seconds
        problem = (
            f"waited {seconds:g} s for a lock on {claimed.table}, or on what its rows refer to"
        )
        if waits >= self._settings.max_lock_waits:
            cure = "end whoever holds it (pg_blocking_pids tells), then trigger the job again"
            return self._fail(key, "load-fault", f"{problem}, {waits} times: {cure}", None)
        wait = self._wait_before(waits)
        self.requeue(key, Requeue(wait, problem, is_for_lock=True))
        POSTPONED.add(1, PutOff.LOCK)
        log.warning(
            "chunk_held_up",
            table=claimed.table,
            error=reason,
            lock_waits=waits,
            wait_seconds=wait,
            **key.fields,
        )
        return Outcome.POSTPONED

    def _give_back(self, key: ChunkKey, tries: int, reason: str, sqlstate: str | None) -> Outcome:
        """Have the sweeper send the chunk again later, or fail it when that cannot help."""
        if not is_transient(sqlstate):
            return self._fail(key, _fault_code(sqlstate), f"{reason} (SQLSTATE {sqlstate})", None)
        if tries >= self._settings.chunk_max_attempts:
            message = f"attempt {tries} of {self._settings.chunk_max_attempts} failed: {reason}"
            return self._fail(key, "load-fault", message, None)
        wait = self._wait_before(tries)
        self.requeue(key, Requeue(wait, reason))
        POSTPONED.add(1, PutOff.FAULT)
        log.warning("chunk_postponed", error=reason, wait_seconds=wait, **key.fields)
        return Outcome.POSTPONED

    def _wait_before(self, times: int) -> float:
        """Return the seconds until a chunk is begun again that was put off so many times."""
        doubled: float = self._settings.retry_seconds * 2 ** min(times - 1, 20)
        return min(doubled, _LONGEST_WAIT)


def _describe(error: Exception) -> str:
    """Return what an attempt ended with."""
    expected = isinstance(error, psycopg2.Error | OSError)
    return str(error).strip() if expected else f"{type(error).__name__}: {error}"


def _stack_of(error: Exception) -> str:
    """Return where an error was raised, without its words."""
    return "".join(traceback.format_tb(error.__traceback__))


def _fault_code(sqlstate: str | None) -> str:
    """Return the job's error code for a fault that another attempt does not fix."""
    return "table-not-permitted" if sqlstate == "42501" else "load-fault"
