"""Remove what clients have sent to the store of uploads themselves and nobody made a job of within a day.

A job loads a copy, so that what was sent serves nothing once its URL has expired, whether it was claimed or not.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from libs.common.errors import SourceError
from libs.common.ids import earliest_uuid7
from libs.common.ledger.models import DirectUpload
from libs.common.logs import get_logger
from libs.common.sources.stores.locations import identity
from libs.common.sources.stores.search import locate
from libs.common.sources.stores.store import StoreFault
from services.worker.dependencies import WorkerContext

log = get_logger(__name__)

_MOST_FAULTS = 3
"""A store that has failed so often in one look is not asked any more."""


def remove_direct_uploads(worker: WorkerContext, cutoff: datetime) -> int:
    """Forget the uploads announced before `cutoff`, and return how many files were removed with them.

    What a store does not answer about is left for the next time, and so is all of a store that keeps silent.
    """
    removed, last, faults = 0, UUID(int=0), Counter[str]()
    for _ in range(worker.settings.retention_batch):
        away = [root for root, count in faults.items() if count >= _MOST_FAULTS]
        found = _find_next(worker, cutoff, last, away)
        if found is None:
            break
        last, url = found
        try:
            removed += _is_removed(worker, url)
        except StoreFault as exc:
            log.warning("upload_not_removed", folder=url, error=str(exc))
            faults[locate(url, worker.settings.connections).store.root] += 1
        else:
            _forget(worker, last)
    return removed


def _find_next(
    worker: WorkerContext, cutoff: datetime, last: UUID, away: Sequence[str]
) -> tuple[UUID, str] | None:
    """Return the oldest upload after the last one, but of none of the stores that are `away`, by their roots."""
    old = (
        select(DirectUpload.id, DirectUpload.url)
        .where(
            DirectUpload.id > last,
            DirectUpload.id < earliest_uuid7(cutoff),
            *(~DirectUpload.url.startswith(root, autoescape=True) for root in away),
        )
        .order_by(DirectUpload.id)
        .limit(1)
    )
    with worker.sessions() as session:
        found = session.execute(old).one_or_none()
    return None if found is None else (found.id, found.url)


def _is_removed(worker: WorkerContext, url: str) -> bool:
    """Remove a file if there is one; log one that the store does not let us remove, and go on."""
    try:
        place = locate(url, worker.settings.connections)
        return place.store.delete(place.key, identity(place))
    except SourceError as exc:
        if exc.code != "source-missing":
            log.warning("upload_not_removed", folder=url, error=exc.message)
        return False


def _forget(worker: WorkerContext, upload_id: UUID) -> None:
    with worker.sessions.begin() as session:
        session.execute(delete(DirectUpload).where(DirectUpload.id == upload_id))
