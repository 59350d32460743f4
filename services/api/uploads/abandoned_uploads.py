"""Remove what an api that was killed in the middle of an upload has left in the upload area.

Other apis may be writing to the same area: only what nobody has written to for long is abandoned. A file that is
whole has its final name and stays, since a job may load it.
"""

import asyncio
import shutil
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from libs.common.logs import get_logger
from libs.common.sources.upload_folders import find_upload_folders
from services.api.uploads.upload_area import PART_SUFFIX

log = get_logger(__name__)

ABANDONED_SECONDS = 3600.0
"""An upload into which nothing was written for so long has nobody who sends it."""

_SECONDS_BETWEEN = 900.0
_LATELY = timedelta(days=2)
"""Longer than an upload takes."""


async def keep_removing(upload_dir: Path) -> None:
    """Remove abandoned uploads now and then, until cancelled: at first of all days, then of late."""
    since = date.min
    while True:
        try:
            await run_in_threadpool(remove_abandoned, upload_dir, since=since)
            since = datetime.now(UTC).date() - _LATELY
        except OSError as exc:
            log.warning("abandoned_uploads_not_removed", error=str(exc))
        await asyncio.sleep(_SECONDS_BETWEEN)


def remove_abandoned(
    upload_dir: Path, older_than: float = ABANDONED_SECONDS, since: date = date.min
) -> int:
    """Remove the uploads untouched for `older_than` seconds that never became whole; return how many.

    They are looked for among those that were begun on the day `since`, UTC, or later.
    """
    if not upload_dir.is_dir():
        return 0
    latest = time.time() - older_than
    removed = 0
    for folder in find_upload_folders(upload_dir, lambda day: day >= since):
        if _is_abandoned(folder, latest):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    if removed:
        log.info("abandoned_uploads_removed", uploads=removed)
    return removed


def _is_abandoned(folder: Path, latest: float) -> bool:
    """Return whether the folder holds nothing but the part of a file, and nobody has written since `latest`."""
    try:
        inside = list(folder.iterdir())
        touched = max(path.stat().st_mtime for path in (folder, *inside))
    except FileNotFoundError:
        return False  # it has just been finished or removed
    return touched < latest and all(path.name.endswith(PART_SUFFIX) for path in inside)
