"""Load a chunk once and for all: claim it, load it, commit rows and ledger together, say so.

Whatever kills a loader, the ledger's row decides: it turns to `done` in the transaction that loads, if that still has
the lease. The fence keeps a second transaction from copying beside it, and no table of the ledger is locked before
the last moments. A chunk that comes again finds itself done. Where their order matters a chunk cannot be claimed
before those in front of it are done.
"""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from time import monotonic
from uuid import UUID

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from libs.common.enums import ChunkState, DateOrder
from libs.common.errors import BadInput, LeaseLost, PublishFault, cut_message
from libs.common.failpoints import FailPoint, failpoint
from libs.common.logs import get_logger
from libs.common.postgres.hosts import DatabaseHosts
from libs.common.postgres.patience import connect_patiently
from services.loader.chunk_retry import Outcome, Setbacks
from services.loader.leasing.chunk_ends import ChunkEnd, Requeue, close_chunk, is_done
from services.loader.leasing.chunks import ChunkKey, ChunkWork, open_chunk
from services.loader.leasing.connection_cache import CachedConnection, LoadingConnections
from services.loader.leasing.lease import Claim, Heartbeat, LoadCancelled, claim
from services.loader.load import UNDO_LOAD, Load
from services.loader.pooling import refuse_shared_backends
from services.loader.rejects.spool import RejectSpool
from services.loader.session import connect, fix_settings
from services.loader.settings import LoaderSettings

__all__ = ["ChunkLoader", "Outcome", "SendFinish"]

log = get_logger(__name__)

SendFinish = Callable[[UUID, str | None], None]


class ChunkLoader:
    """Loads chunks, one at a time; one per process, keeps its connection between chunks."""

    def __init__(self, settings: LoaderSettings, send_finish: SendFinish) -> None:
        """Load with these settings; `send_finish` asks a worker to see whether the job is over."""
        self._settings = settings
        self._send_finish = send_finish
        self._connect = partial(
            connect,
            DatabaseHosts(),
            settings.database_url,
            application_name="adsp-loader",
            connect_timeout=settings.database_connect_timeout,
            # What a frozen loader has locked is free again when its lease expires; a load's own session has no such
            # limit, it may wait for its source: the sweeper ends it.
            idle_seconds=settings.lease_seconds,
        )
        self._connections = LoadingConnections(partial(connect_patiently, self._connect))
        self._setbacks = Setbacks(settings, self._connect)

    def close(self) -> None:
        """Close the connection that is kept."""
        self._connections.close()

    def load_chunk(self, job_id: UUID, number: int, request_id: str | None = None) -> Outcome:
        """Load a chunk unless it is done or somebody else is processing it; safe to call any number of times."""
        with self._connections.acquire() as cached:
            outcome = self._claim_and_load(cached, job_id, number)
        if outcome is not Outcome.POSTPONED:
            self._announce(job_id, request_id)
        failpoint(FailPoint.BEFORE_ACKNOWLEDGE)
        return outcome

    def _claim_and_load(self, cached: CachedConnection, job_id: UUID, number: int) -> Outcome:
        """Load a chunk if its lease is available; say whether the connection may serve another."""
        started = monotonic()
        claimed = claim(cached, job_id, number, self._settings)
        if claimed is None:
            cached.reusable = True
            log.info("chunk_skipped", job_id=str(job_id), number=number)
            return Outcome.SKIPPED
        key = ChunkKey(job_id, number, claimed.holder)
        if cached.is_shared:
            return self._refuse(cached, key)
        outcome = self._load(cached, key, claimed)
        # Its lease went with the commit, and the sweeper cannot have seen it expired.
        is_brief = monotonic() - started < self._settings.lease_seconds
        cached.reusable = outcome is Outcome.LOADED and is_brief
        return outcome

    def _refuse(self, cached: CachedConnection, key: ChunkKey) -> Outcome:
        """Record that nothing can be loaded through this pooler, with one statement, as it may allow no more."""
        reason = refuse_shared_backends()
        end = ChunkEnd(
            ChunkState.FAILED, error_code=reason.code, error_message=cut_message(reason.message)
        )
        with cached.connection.cursor() as cursor:
            close_chunk(cursor, key, end)
        log.error("session_shared", **key.fields)
        return Outcome.FAILED

    def _load(self, cached: CachedConnection, key: ChunkKey, claimed: Claim) -> Outcome:
        """Make one attempt with the heart beating; whatever comes of it is on record afterwards."""
        heartbeat = Heartbeat(self._connect, cached, key, self._settings)
        heartbeat.start()
        memory, folder = self._settings.spool_bytes, self._settings.spool_dir
        try:
            with RejectSpool(key.job_id, key.number, memory, folder) as rejects:
                return self._try(cached.connection, key, claimed, rejects, heartbeat)
        except LoadCancelled:
            self._setbacks.requeue(key, Requeue())
            log.info("chunk_cancelled", **key.fields)
            return Outcome.CANCELLED
        except LeaseLost as exc:
            log.warning("chunk_lease_lost", reason=str(exc), **key.fields)
            return Outcome.SKIPPED
        finally:
            heartbeat.stop()

    def _try(
        self,
        loading: Connection,
        key: ChunkKey,
        claimed: Claim,
        rejects: RejectSpool,
        heartbeat: Heartbeat,
    ) -> Outcome:
        """Make the attempt, and record what it ends with when that is neither rows nor a reason to leave it alone."""
        try:
            self._attempt(loading, key, claimed, rejects, heartbeat)
        except (LoadCancelled, LeaseLost):
            raise
        except Exception as exc:  # noqa: BLE001 - whatever it is, it goes on record
            return self._setbacks.record(key, claimed, exc, rejects)
        return Outcome.LOADED

    def _attempt(
        self,
        loading: Connection,
        key: ChunkKey,
        claimed: Claim,
        rejects: RejectSpool,
        heartbeat: Heartbeat,
    ) -> None:
        """Load and commit, or leave no trace of the rows."""
        most = self._settings.chunk_max_attempts
        if claimed.tries > most:
            raise BadInput("load-fault", f"loading was begun {most} times and never came to an end")
        try:
            work = _open(loading, key, claimed, self._settings.lock_seconds)
            if work is None:
                raise LoadCancelled  # the job ended between the claim and the lock
            end = Load(loading, work, rejects, heartbeat, self._settings).run()
            with loading.cursor() as cursor:
                if work.dry_run:
                    cursor.execute(UNDO_LOAD)
                _write_ledger(cursor, key, end, rejects, heartbeat)
            failpoint(FailPoint.BEFORE_COMMIT)
            self._commit(loading, key)
            failpoint(FailPoint.AFTER_COMMIT)
        except psycopg2.Error:
            heartbeat.check()  # raises the reason when it was the heartbeat that interrupted
            raise
        finally:
            _roll_back(loading)
        log.info("chunk_loaded", **key.fields, **end.counts, **end.explanation, **end.written)

    def _commit(self, loading: Connection, key: ChunkKey) -> None:
        """Commit; when the answer is lost, ask the ledger on a new connection what came of it."""
        try:
            loading.commit()
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            with closing(self._connect()) as side:
                if not is_done(side, key):
                    raise
            log.warning("commit_outcome_unknown", **key.fields)

    def _announce(self, job_id: UUID, request_id: str | None) -> None:
        """Ask a worker to look at the job; when that fails, the sweeper does."""
        try:
            self._send_finish(job_id, request_id)
        except PublishFault as exc:
            log.warning("finish_not_sent", job_id=str(job_id), error=str(exc))


def _open(
    loading: Connection, key: ChunkKey, claimed: Claim, lock_seconds: float
) -> ChunkWork | None:
    """Take the chunk's fence in a session whose settings are those of its dataset."""
    order = DateOrder(claimed.date_order)
    fix_settings(loading, claimed.table, claimed.time_zone, order, lock_seconds)
    loading.autocommit = False
    return open_chunk(loading, key)


def _write_ledger(
    cursor: Cursor, key: ChunkKey, end: ChunkEnd, rejects: RejectSpool, heartbeat: Heartbeat
) -> None:
    """Write what the ledger keeps, just before the commit: from here on its tables are locked.

    What is loaded is not given up for a lock on them.
    """
    cursor.execute("SET LOCAL lock_timeout = 0")
    if rejects.count:
        rejects.write(cursor)
    heartbeat.stop()
    heartbeat.check()
    if not close_chunk(cursor, key, end):
        raise LeaseLost("the chunk has ended without this loader")


def _roll_back(connection: Connection) -> None:
    """Undo what is not committed; a connection that is gone has done so itself."""
    if not connection.closed:
        connection.rollback()
