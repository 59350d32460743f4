"""Put whole files of the upload area where workers and loaders find them: into a store, if there is one for them."""

from contextlib import suppress
from uuid import UUID

from libs.common.errors import SourceError
from libs.common.logs import get_logger
from libs.common.sources.stores.locations import RemoteFile, identity
from libs.common.sources.stores.search import is_url, locate
from libs.common.sources.stores.store import StoreFault
from libs.common.sources.upload_folders import upload_folder
from services.api.errors.problems import ProblemError, unavailable
from services.api.settings import ApiSettings
from services.api.uploads.upload_area import StoredUpload

log = get_logger(__name__)


def share(settings: ApiSettings, stored: StoredUpload) -> str:
    """Return the source of a job that loads the file: its path, or its URL in the store, where it is afterwards.

    Raises `ProblemError` where the store cannot take it; the file is here still.
    """
    if settings.upload_store is None:
        return str(stored.path)
    upload_id = UUID(stored.path.parent.name)
    url = f"{settings.upload_store}{upload_folder(upload_id)}/{stored.path.name}"
    try:
        target = locate(url, settings.connections)
        target.store.put(target.key, stored.path)
    except (SourceError, StoreFault) as exc:
        raise store_unusable(exc) from exc
    stored.discard()
    return url


def store_unusable(cause: Exception) -> ProblemError:
    """Make the problem for a store that does not take a file."""
    return unavailable(
        "upload-area-unusable",
        f"the file could not be put into ADSP_UPLOAD_STORE ({cause}); try again, and see that the store answers and "
        "its connection may write there",
    )


def discard(settings: ApiSettings, source: str, stored: StoredUpload) -> None:
    """Remove a file that was shared as `source`: no job will load it."""
    stored.discard()
    if is_url(source):
        remove_shared(settings, source)


def remove_shared(settings: ApiSettings, url: str) -> None:
    """Remove a file of the store, if it can be; else the cleanup removes it later."""
    with suppress(SourceError):
        _remove(locate(url, settings.connections))


def _remove(file: RemoteFile) -> None:
    try:
        file.store.delete(file.key, identity(file))
    except StoreFault as exc:
        log.warning("upload_not_removed", folder=file.url, error=str(exc))
