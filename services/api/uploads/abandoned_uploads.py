"""Remove what an api that was killed in the middle of an upload has left in the upload area.

Other apis may be writing to the same area: only what nobody has written to for long is abandoned. A file that is
whole has its final name and stays, since a job may load it.
"""

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from libs.common.logs import get_logger
from services.api.uploads.upload_area import PART_SUFFIX

log = get_logger(__name__)

ABANDONED_SECONDS = 3600.0
"""An upload into which nothing was written for so long has nobody who sends it."""

_SECONDS_BETWEEN = 900.0


async def keep_removing(upload_dir: Path) -> None:
    """Remove abandoned uploads now and then, until cancelled."""
    while True:
        try:
            await run_in_threadpool(remove_abandoned, upload_dir)
        except OSError as exc:
            log.warning("abandoned_uploads_not_removed", error=str(exc))
        await asyncio.sleep(_SECONDS_BETWEEN)


def remove_abandoned(upload_dir: Path, older_than: float = ABANDONED_SECONDS) -> int:
    """Remove the uploads untouched for `older_than` seconds that never became whole; return how many."""
    latest = time.time() - older_than
    removed = 0
    for folder in _upload_folders(upload_dir):
        if _is_abandoned(folder, latest):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    if removed:
        log.info("abandoned_uploads_removed", uploads=removed)
    return removed


def _upload_folders(upload_dir: Path) -> Iterator[Path]:
    """Yield the folders that uploads have made; the area may hold others, which belong to people."""
    if not upload_dir.is_dir():
        return
    for entry in upload_dir.iterdir():
        try:
            is_ours = UUID(entry.name).version == 7
        except ValueError:
            continue
        if is_ours and entry.is_dir() and not entry.is_symlink():
            yield entry


def _is_abandoned(folder: Path, latest: float) -> bool:
    """Return whether the folder holds nothing but the part of a file, and nobody has written since `latest`."""
    try:
        inside = list(folder.iterdir())
        touched = max(path.stat().st_mtime for path in (folder, *inside))
    except FileNotFoundError:
        return False  # it has just been finished or removed
    return touched < latest and all(path.name.endswith(PART_SUFFIX) for path in inside)
