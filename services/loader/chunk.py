"""Load a chunk once and for all: claim it, load it, commit rows and ledger together, say so.

Whatever kills a loader, the ledger's row decides: it turns to `done` in the transaction that loads, if that still has
the lease. The fence keeps a second transaction from copying beside it, and no table of the ledger is locked before
the last moments. A chunk that comes again finds itself done. Where their order matters chunks may be loaded side by
side, but each is committed after those before it.
"""

from collections.abc import Callable
from contextlib import closing
from enum import StrEnum
from functools import partial
from time import monotonic, sleep
from uuid import UUID

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from libs.common.crash_points import CrashPoint, crash_point
from libs.common.errors import BadInput, LeaseLost, PublishFault, cut_message
from libs.common.log import get_logger
from libs.common.states import ChunkState
from services.loader.judging.verdicts import is_transient
from services.loader.ledger.chunks import (
    ChunkEnd,
    ChunkKey,
    ChunkWork,
    RowCounts,
    close_chunk,
    find_turn,
    is_done,
    open_chunk,
    requeue_chunk,
)
from services.loader.ledger.leases import Claim, Heartbeat, LoadCancelled, claim
from services.loader.loading import Load
from services.loader.postgres.connections import LoadingConnections, Loan
from services.loader.postgres.session import connect, fix_meaning
from services.loader.rejects.spool import RejectSpool
from services.loader.settings import LoaderSettings

log = get_logger(__name__)

SendFinish = Callable[[UUID, str | None], None]
_LONGEST_WAIT = 300.0
_LOOK_AGAIN = 0.05
"""Seconds between two looks at the chunks before one that is written."""
_LONGEST_HOLD_UP = 1.0
"""Seconds that a chunk before may wait for a lock; what is written here may be what it waits for."""


class Outcome(StrEnum):
    """What became of one delivery of a chunk."""

    LOADED = "loaded"
    FAILED = "failed"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"
    GAVE_WAY = "gave-way"
    SKIPPED = "skipped"


class GaveWay(Exception):
    """The chunk can only be loaded once those before it are done."""


class ChunkLoader:
    """Loads chunks, one at a time; one per process, keeps its connection between chunks."""

    def __init__(self, settings: LoaderSettings, send_finish: SendFinish) -> None:
        """Load with these settings; `send_finish` asks a worker to see whether the job is over."""
        self._settings = settings
        self._send_finish = send_finish
        self._connect = partial(
            connect,
            settings.database_url,
            application_name="adsp-loader",
            connect_timeout=settings.database_connect_timeout,
            # What a frozen loader has locked is free again when its lease expires; a load's own session has no such
            # limit, it may wait for its source: the sweeper ends it.
            idle_seconds=settings.lease_seconds,
        )
        self._connections = LoadingConnections(self._connect)

    def close(self) -> None:
        """Close the connection that is kept."""
        self._connections.close()

    def load_chunk(self, job_id: UUID, number: int, request_id: str | None = None) -> Outcome:
        """Load a chunk unless it is done or somebody else is at it; safe to call any number of times."""
        with self._connections.lend() as loan:
            outcome = self._claim_and_load(loan, job_id, number)
        if outcome is not Outcome.POSTPONED:
            self._announce(job_id, request_id)
        crash_point(CrashPoint.BEFORE_ACKNOWLEDGE)
        return outcome

    def _claim_and_load(self, loan: Loan, job_id: UUID, number: int) -> Outcome:
        """Load a chunk if its lease is to be had; say whether the connection may serve another."""
        started = monotonic()
        claimed = claim(loan, job_id, number, self._settings)
        if claimed is None:
            log.info("chunk_skipped", job_id=str(job_id), number=number)
            loan.is_kept = True
            return Outcome.SKIPPED
        outcome = self._load(loan.connection, ChunkKey(job_id, number, claimed.holder), claimed)
        # Its lease went with the commit, and the sweeper cannot have seen it expired.
        is_brief = monotonic() - started < self._settings.lease_seconds
        loan.is_kept = outcome is Outcome.LOADED and is_brief
        return outcome

    def _load(self, loading: Connection, key: ChunkKey, claimed: Claim) -> Outcome:
        """Make one attempt with the heart beating; whatever comes of it is on record afterwards."""
        heartbeat = Heartbeat(self._connect, loading, key, self._settings)
        heartbeat.start()
        memory, folder = self._settings.spool_bytes, self._settings.spool_dir
        try:
            with RejectSpool(key.job_id, key.number, memory, folder) as rejects:
                try:
                    return self._attempt(loading, key, claimed, rejects, heartbeat)
                except BadInput as exc:
                    kept = rejects if exc.code != "source-changing" else None
                    return self._fail(key, exc.code, exc.message, kept)
                except (LoadCancelled, GaveWay, LeaseLost):
                    raise
                except Exception as exc:
                    if not isinstance(exc, psycopg2.Error | OSError):
                        log.exception("chunk_attempt_failed", **key.fields)
                    return self._give_back(key, claimed.attempt, exc)
        except LoadCancelled:
            self._requeue(key, None)
            log.info("chunk_cancelled", **key.fields)
            return Outcome.CANCELLED
        except GaveWay as exc:
            self._requeue(key, None)
            log.info("chunk_gave_way", reason=str(exc), **key.fields)
            return Outcome.GAVE_WAY
        except LeaseLost as exc:
            log.warning("chunk_lease_lost", reason=str(exc), **key.fields)
            return Outcome.SKIPPED
        finally:
            heartbeat.stop()

    def _attempt(
        self,
        loading: Connection,
        key: ChunkKey,
        claimed: Claim,
        rejects: RejectSpool,
        heartbeat: Heartbeat,
    ) -> Outcome:
        """Load and commit, or leave no trace of the rows."""
        most = self._settings.max_attempts
        if claimed.attempt > most:
            raise BadInput("load-fault", f"loading was begun {most} times and never came to an end")
        try:
            work = _open(loading, key, claimed.time_zone)
            if work is None:
                raise LoadCancelled  # the job ended between the claim and the lock
            # What had to be begun again is not tried beside others again.
            if work.waits_for_turn and claimed.attempt > 1 and not _is_its_turn(loading, key):
                raise GaveWay("it was begun before")
            end = Load(loading, work, rejects, heartbeat, self._settings).run()
            with loading.cursor() as cursor:
                if work.waits_for_turn:
                    _wait_for_turn(cursor, key, heartbeat)
                # From here on tables of the ledger are locked, until the commit that follows at once.
                if rejects.count:
                    rejects.write(cursor)
                heartbeat.stop()
                heartbeat.check()
                if not close_chunk(cursor, key, end):
                    raise LeaseLost("the chunk has ended without this loader")
            crash_point(CrashPoint.BEFORE_COMMIT)
            self._commit(loading, key)
            crash_point(CrashPoint.AFTER_COMMIT)
        except psycopg2.Error:
            heartbeat.check()  # raises the reason when it was the heartbeat that interrupted
            raise
        finally:
            _roll_back(loading)
        log.info("chunk_loaded", **key.fields, **end.counts)
        return Outcome.LOADED

    def _commit(self, loading: Connection, key: ChunkKey) -> None:
        """Commit; when the answer is lost, ask the ledger on a new connection what came of it."""
        try:
            loading.commit()
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            with closing(self._connect()) as side:
                if not is_done(side, key):
                    raise
            log.warning("commit_answer_lost", **key.fields)

    def _fail(self, key: ChunkKey, code: str, message: str, rejects: RejectSpool | None) -> Outcome:
        """Record that the chunk cannot be loaded, with the failed rows found so far."""
        count = rejects.count if rejects else 0
        end = ChunkEnd(
            ChunkState.FAILED,
            rows_rejected=count,
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

    def _give_back(self, key: ChunkKey, attempt: int, error: Exception) -> Outcome:
        """Have the sweeper send the chunk again later, or fail it when that cannot help."""
        expected = isinstance(error, psycopg2.Error | OSError)
        reason = str(error).strip() if expected else f"{type(error).__name__}: {error}"
        sqlstate = getattr(error, "pgcode", None)
        if not is_transient(sqlstate):
            return self._fail(key, _fault_code(sqlstate), f"{reason} (SQLSTATE {sqlstate})", None)
        if attempt >= self._settings.max_attempts:
            message = f"attempt {attempt} of {self._settings.max_attempts} failed: {reason}"
            return self._fail(key, "load-fault", message, None)
        wait = min(self._settings.retry_seconds * 2 ** (attempt - 1), _LONGEST_WAIT)
        self._requeue(key, wait)
        log.warning("chunk_postponed", error=reason, wait_seconds=wait, **key.fields)
        return Outcome.POSTPONED

    def _requeue(self, key: ChunkKey, wait: float | None) -> None:
        """Give the chunk back: to be sent after so many seconds, or when the worker releases it or ends the job."""
        with closing(self._connect()) as side, side, side.cursor() as cursor:
            requeue_chunk(cursor, key, wait)

    def _announce(self, job_id: UUID, request_id: str | None) -> None:
        """Ask a worker to look at the job; when that fails, the sweeper does."""
        try:
            self._send_finish(job_id, request_id)
        except PublishFault as exc:
            log.warning("finish_not_sent", job_id=str(job_id), error=str(exc))


def _fault_code(sqlstate: str | None) -> str:
    """Return the job's error code for a fault that another attempt does not mend."""
    return "table-not-permitted" if sqlstate == "42501" else "load-fault"


def _open(loading: Connection, key: ChunkKey, time_zone: str) -> ChunkWork | None:
    """Take the chunk's fence in a session whose settings are those of its dataset."""
    fix_meaning(loading, time_zone)
    loading.autocommit = False
    return open_chunk(loading, key)


def _is_its_turn(loading: Connection, key: ChunkKey) -> bool:
    with loading.cursor() as cursor:
        return find_turn(cursor, key).is_now


def _wait_for_turn(cursor: Cursor, key: ChunkKey, heartbeat: Heartbeat) -> None:
    """Return when the chunks before this one are done; raises `GaveWay` when they would wait for this one."""
    last_free = monotonic()
    while not (turn := find_turn(cursor, key)).is_now:
        heartbeat.check()
        if not turn.are_loaded:
            raise GaveWay("nobody loads a chunk before it")
        if not turn.is_held_up:
            last_free = monotonic()
        elif monotonic() - last_free > _LONGEST_HOLD_UP:
            raise GaveWay("a chunk before it waits for a lock")
        sleep(_LOOK_AGAIN)


def _roll_back(connection: Connection) -> None:
    """Undo what is not committed; a connection that is gone has done so itself."""
    if not connection.closed:
        connection.rollback()
