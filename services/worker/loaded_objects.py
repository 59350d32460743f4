"""Move or delete a file of a store that a job has loaded, where it is still the one that was loaded."""

from pathlib import PurePosixPath
from uuid import UUID

from libs.common.enums import AfterLoad
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import RemoteFile
from libs.common.sources.stores.store import StoreFault
from services.worker.loaded_places import places_of_moved


def put_remote_away(file: RemoteFile, seen: SourceIdentity, job_id: UUID, way: AfterLoad) -> bool:
    """Move a file into the folder beside it, or delete it; return False when it is another one.

    Raises `SourceError` when it is not there (any more), and `StoreFault`.
    """
    store = file.store
    if not store.can_change:
        raise StoreFault("files of such a server can be read alone: set 'after_load' to keep")
    if way is AfterLoad.DELETE:
        return store.delete(file.key, seen)
    target, other = map(str, places_of_moved(PurePosixPath(file.key), job_id))
    return store.move(file.key, other if store.exists(target) else target, seen)
