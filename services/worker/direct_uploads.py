"""Remove what clients have sent to the store of uploads themselves and nobody made a job of within a day.

A job loads a copy, so that what was sent serves nothing once its URL has expired, whether it was claimed or not.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from libs.common.errors import SourceError
from libs.common.ids import earliest_uuid7
from libs.common.ledger.models import DirectUpload
from libs.common.logs import get_logger
from libs.common.sources.stores.locations import identity
from libs.common.sources.stores.search import locate
from services.worker.dependencies import WorkerContext

log = get_logger(__name__)


def remove_direct_uploads(worker: WorkerContext, cutoff: datetime) -> int:
    """Forget the uploads announced before `cutoff`, and return how many files were removed with them.

    Raises `StoreFault` where the store does not answer; what is left is removed the next time.
    """
    with worker.sessions() as session:
        old = (
            select(DirectUpload.id, DirectUpload.url)
            .where(DirectUpload.id < earliest_uuid7(cutoff))
            .order_by(DirectUpload.id)
            .limit(worker.settings.retention_batch)
        )
        found = session.execute(old).all()
    removed = 0
    for upload_id, url in found:
        removed += _is_removed(worker, url)
        _forget(worker, upload_id)
    return removed


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
