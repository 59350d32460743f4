"""Find the uploads that are old, in the folder and in the store that they are kept in, and remove them one by one.

Each has a folder of its own, named by an id that tells when it was made; others there belong to people.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from libs.common.errors import SourceError
from libs.common.ids import made_at
from libs.common.logs import get_logger
from libs.common.sources.stores.search import locate
from libs.common.sources.stores.store import Store, StoredFile
from services.worker.settings import WorkerSettings

log = get_logger(__name__)

Remove = Callable[[], bool]
"""Removes an upload; returns whether it is gone."""


def find_old_uploads(settings: WorkerSettings, cutoff: datetime) -> dict[str, Remove] | None:
    """Return how the uploads made before `cutoff` are removed, by their folders' names; None: there is no area.

    Raises `SourceError` and `StoreFault` where the store cannot be listed.
    """
    area = settings.upload_dir.resolve()
    old: dict[str, Remove] = {}
    if area.is_dir():
        old = {folder.name: partial(_remove, folder) for folder in _folders(area, cutoff)}
    elif settings.upload_store is None:
        return None
    if settings.upload_store is not None:
        old |= _find_stored(settings, settings.upload_store, cutoff)
    return old


def _folders(area: Path, cutoff: datetime) -> Iterator[Path]:
    for entry in area.iterdir():
        if _is_old(entry.name, cutoff) and not entry.is_symlink() and entry.is_dir():
            yield entry


def _is_old(name: str, cutoff: datetime) -> bool:
    try:
        return made_at(UUID(name)) < cutoff
    except ValueError:
        return False


def _remove(folder: Path) -> bool:
    """Remove a folder whose file is whole; log one that cannot be listed or removed, and go on.

    The api removes what never became whole: a file that is still being sent has a name with a dot in front.
    """
    try:
        if any(path.name.startswith(".") for path in folder.iterdir()):
            return False
        shutil.rmtree(folder)
    except OSError as exc:
        log.warning("upload_not_removed", folder=folder.name, error=str(exc))
        return False
    return True


def _find_stored(settings: WorkerSettings, url: str, cutoff: datetime) -> dict[str, Remove]:
    root = locate(f"{url}_", settings.connections)
    area = root.key.removesuffix("_")
    found: dict[str, dict[str, StoredFile]] = defaultdict(dict)
    for file in root.store.list_files(area.rstrip("/")):
        name, _, rest = file.key.removeprefix(area).partition("/")
        if rest and _is_old(name, cutoff):
            found[name][file.key] = file
    return {
        name: partial(_remove_stored, root.store, [*files.values()])
        for name, files in found.items()
    }


def _remove_stored(store: Store, files: list[StoredFile]) -> bool:
    """Remove the files of an upload; log what the store does not let us, and go on. Raises `StoreFault`."""
    try:
        return all(_is_gone(store, file) for file in files)
    except SourceError as exc:
        log.warning("upload_not_removed", folder=files[0].key, error=exc.message)
        return False


def _is_gone(store: Store, file: StoredFile) -> bool:
    try:
        return store.delete(file.key, file.identity)
    except SourceError as exc:
        if exc.code != "source-missing":
            raise
        return True
