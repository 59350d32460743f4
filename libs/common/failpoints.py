"""Die at a named place, for the tests of faults: ``kill -9`` where chance would seldom strike.

Off unless ``ADSP_FAULTS=1``. Then ``ADSP_FAILPOINTS`` names the points, separated by commas. With
``ADSP_FAILPOINT_TOKENS``, a folder, a point strikes only where a file of its name lies there, and uses it up:
so a crash happens once, the attempt after it goes on, and a running process can be made to die.
"""

import os
import signal
from enum import StrEnum
from functools import cache
from pathlib import Path


class FailPoint(StrEnum):
    """Where a process can be made to die."""

    AFTER_INSERT = "after-insert"
    """api: the job is committed, its message not sent."""
    AFTER_PUBLISH = "after-publish"
    """api: the message is confirmed, which is not on record."""
    AFTER_CONFIRM = "after-confirm"
    """api: the confirm is on record, the client has no answer."""
    MID_COPY = "mid-copy"
    """loader: some blocks are written, nothing is committed."""
    AFTER_STAGING = "after-staging"
    """loader: a replace is staged, not compared with its table."""
    AFTER_COMPARISON = "after-comparison"
    """loader: the rows that differ are known, none is written."""
    AFTER_CHANGES = "after-changes"
    """loader: the rows that differ are written, nothing is committed."""
    BEFORE_COMMIT = "before-commit"
    """loader: everything is written, nothing is committed."""
    AFTER_COMMIT = "after-commit"
    """loader: the chunk is done, nobody knows yet."""
    BEFORE_ACKNOWLEDGE = "before-acknowledge"
    """loader: the worker has its message, the loader's own is not acknowledged."""
    IN_FINISH = "in-finish"
    """worker: a job's end and its event are written and not committed."""
    IN_EVENT_OUTBOX = "in-event-outbox"
    """worker: an event is confirmed by the broker, which is not committed."""


class _Armed:
    """The points that this process has from its environment."""

    def __init__(self, names: str, tokens: str | None) -> None:
        self._points = {FailPoint(name.strip()) for name in names.split(",") if name.strip()}
        self._tokens = Path(tokens) if tokens else None

    def triggers(self, point: FailPoint) -> bool:
        return point in self._points and (self._tokens is None or _take(self._tokens / point))


def failpoint(point: FailPoint) -> None:
    """Kill this process if it is to die here."""
    armed = _armed()
    if armed is not None and armed.triggers(point):
        os.kill(os.getpid(), signal.SIGKILL)


@cache
def _armed() -> _Armed | None:
    """Read the environment once; a name that is no point raises `ValueError`."""
    if os.environ.get("ADSP_FAULTS") != "1":
        return None
    return _Armed(os.environ.get("ADSP_FAILPOINTS", ""), os.environ.get("ADSP_FAILPOINT_TOKENS"))


def _take(token: Path) -> bool:
    """Use the token up; of several processes only one gets it."""
    try:
        token.unlink()
    except FileNotFoundError:
        return False
    return True
