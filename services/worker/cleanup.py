"""Keep retention: remove what served its purpose a while ago, in bounded batches.

    uploads            files of jobs that ended long ago, and files that no job was ever made of; of those that
                       clients sent to the store themselves, after a day
    events             outbox rows that the broker confirmed long ago
    idempotency keys   of requests made long ago
    failed rows        of jobs that ended longer ago than their dataset keeps them (`old_failed_rows`)
    chunks             of jobs that ended long ago, where nobody goes on with them

Beside that it is noted of which jobs all failed rows are closed.

Jobs stay, with their counts: they are what was promised to be accounted for. A file in the upload area
whose job is not over is never removed, however old it is.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import CursorResult
from sqlalchemy.exc import SQLAlchemyError

from libs.common.errors import SourceError
from libs.common.ids import earliest_uuid7
from libs.common.logs import get_logger
from libs.common.sources.stores.store import StoreFault
from libs.common.sql_files import statement
from services.worker.dependencies import WorkerContext
from services.worker.direct_uploads import remove_direct_uploads
from services.worker.old_failed_rows import remove_old_failed_rows
from services.worker.old_uploads import find_old_uploads

log = get_logger(__name__)

_CLAIM_DAYS = 1.0
"""A file that a client sends to the store itself must have a job by then; its URL expires long before."""
_JOBS = 50
"""Most jobs whose chunks one statement removes; of one there may be thousands."""
_STATEMENTS = 100
"""Most of them that one look runs."""


class Removed(NamedTuple):
    """How much of each kind one look has removed."""

    uploads: int
    events: int
    idempotency_keys: int
    failed_rows: int
    chunks: int


def delete_expired(worker: WorkerContext) -> Removed:
    """Remove what is kept no longer and return how much that was."""
    settings = worker.settings
    removed = Removed(
        uploads=_step(worker, _remove_uploads, settings.upload_retention_days)
        + _step(worker, remove_direct_uploads, _CLAIM_DAYS),
        events=_step(worker, _remove_events, settings.event_retention_days),
        idempotency_keys=_step(worker, _forget_keys, settings.idempotency_retention_days),
        failed_rows=_attempt(
            partial(remove_old_failed_rows, worker, settings.failed_row_retention_days)
        ),
        chunks=_step(worker, _remove_chunks, settings.chunk_retention_days),
    )
    if any(removed):
        log.info("expired_removed", **removed._asdict())
    return removed


def settle_failed_rows(worker: WorkerContext) -> int:
    """Note which jobs have no open failed rows any more, so that no scrape asks about them again."""
    try:
        return _change(worker, "settle_failed_rows")
    except SQLAlchemyError:
        log.exception("retention_step_failed", step="settle_failed_rows")
        return 0


def _step(
    worker: WorkerContext, remove: Callable[[WorkerContext, datetime], int], days: float
) -> int:
    """Remove one kind, unless it is kept for ever."""
    if not days:
        return 0
    return _attempt(partial(remove, worker, datetime.now(UTC) - timedelta(days=days)))


def _attempt(remove: "partial[int]") -> int:
    """Remove one kind; what is wrong with it must not keep the others from being removed."""
    try:
        return remove()
    except (SQLAlchemyError, OSError, SourceError, StoreFault):
        log.exception("retention_step_failed", step=remove.func.__name__)
        return 0


def _remove_events(worker: WorkerContext, cutoff: datetime) -> int:
    return _change(worker, "old_events", cutoff=cutoff, before=earliest_uuid7(cutoff))


def _remove_chunks(worker: WorkerContext, cutoff: datetime) -> int:
    removed = 0
    for _ in range(_STATEMENTS):
        more = _change(worker, "old_chunks", cutoff=cutoff, limit=_JOBS)
        if not more:
            break
        removed += more
    return removed


def _forget_keys(worker: WorkerContext, cutoff: datetime) -> int:
    return _change(worker, "old_idempotency_keys", cutoff=cutoff)


def _change(worker: WorkerContext, name: str, **parameters: Any) -> int:
    """Run a statement that changes a batch of rows; return how many it has changed."""
    parameters.setdefault("limit", worker.settings.retention_batch)
    with worker.engine.begin() as connection:
        done: CursorResult[Any] = connection.execute(statement(__package__, name), parameters)
        return done.rowcount


def _remove_uploads(worker: WorkerContext, cutoff: datetime) -> int:
    """Remove old uploads that no live or late job was made of."""
    old = find_old_uploads(worker.settings, cutoff)
    if old is None:
        return 0
    needed = _needed(worker, list(old), cutoff) if old else set()
    left = [name for name, remove in old.items() if name in needed or not remove()]
    _release_quotas(worker, cutoff, left)
    return len(old) - len(left)


def _release_quotas(worker: WorkerContext, cutoff: datetime, left: list[str]) -> None:
    """Count no old file any more for its owner that is not among those `left`, however it went."""
    with worker.engine.begin() as connection:
        connection.execute(
            statement(__package__, "removed_uploads"),
            {"cutoff": cutoff, "before": earliest_uuid7(cutoff), "left": left},
        )


def _needed(worker: WorkerContext, folders: list[str], cutoff: datetime) -> set[str]:
    with worker.engine.connect() as connection:
        found = connection.execute(
            statement(__package__, "needed_uploads"),
            {"folders": folders, "cutoff": cutoff},
        )
        return set(found.scalars())
