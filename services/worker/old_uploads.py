"""Find the uploads that are old, in the folder and in the store that they are kept in, and remove them one by one.

Each has a folder of its own, named by an id that tells when it was made; others there belong to people.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from libs.common.errors import SourceError
from libs.common.logs import get_logger
from libs.common.sources.stores.search import locate
from libs.common.sources.stores.store import Store, StoredFile
from libs.common.sources.upload_folders import (
    day_of,
    find_upload_folders,
    name_of_folder,
    upload_made_at,
)
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
        folders = find_upload_folders(area, lambda day: day <= cutoff.date())
        old = {
            folder.name: partial(_remove, folder)
            for folder in folders
            if _is_old(folder.name, cutoff)
        }
    elif settings.upload_store is None:
        return None
    if settings.upload_store is not None:
        old |= _find_stored(settings, settings.upload_store, cutoff)
    return old


def _is_old(name: str, cutoff: datetime) -> bool:
    made = upload_made_at(name)
    return made is not None and made < cutoff


def _remove(folder: Path) -> bool:
    """Remove a folder whose file is whole; log one that cannot be listed or removed, and go on.

    The api removes what never became whole: a file that is still being sent has a name with a dot in front.
    """
    try:
        if any(path.name.startswith(".") for path in folder.iterdir()):
            return False
        shutil.rmtree(folder)
        _remove_empty_day(folder.parent)
    except OSError as exc:
        log.warning("upload_not_removed", folder=folder.name, error=str(exc))
        return False
    return True


def _remove_empty_day(folder: Path) -> None:
    """Remove the folder of a day that is over once nothing is left in it."""
    day = day_of(folder.name)
    if day is not None and day < datetime.now(UTC).date():
        with suppress(OSError):
            folder.rmdir()


def _find_stored(settings: WorkerSettings, url: str, cutoff: datetime) -> dict[str, Remove]:
    root = locate(f"{url}_", settings.connections)
    area = root.key.removesuffix("_")
    found: dict[str, dict[str, StoredFile]] = defaultdict(dict)
    for file in root.store.list_files(area.rstrip("/")):
        name = name_of_folder(file.key.removeprefix(area))
        if name is not None and _is_old(name, cutoff):
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
