"""Ask a store again after a fault that may pass, a few times; each time is logged and counted."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from libs.common.logs import get_logger

log = get_logger(__name__)

Answer = TypeVar("Answer")

_WAITS = (0.2, 1.0, 3.0, 6.0)
"""Seconds before each further try, up to as much again: a store that throttles wants those who wait apart."""

_asks_once = ContextVar("_asks_once", default=False)

watchers: list[Callable[[str], None]] = []
"""What is called with the kind of the connection (s3, sftp, …) before each further try: a service counts them here."""


@contextmanager
def asking_once() -> Iterator[None]:
    """Try nothing again while the block runs: what is done now and then anyway lets nobody wait for a store."""
    before = _asks_once.set(True)
    try:
        yield
    finally:
        _asks_once.reset(before)


class Retries:
    """The tries of one connection."""

    def __init__(self, kind: str, name: str) -> None:
        """Take what counts and logs call it."""
        self._kind = kind
        self._name = name

    def run(self, request: Callable[[], Answer], may_pass: Callable[[Exception], bool]) -> Answer:
        """Return the answer to a request; raises its last error, or the first that will not pass."""
        for wait in () if _asks_once.get() else _WAITS:
            try:
                return request()
            except Exception as exc:
                if not may_pass(exc):
                    raise
                self._note(exc)
            time.sleep(wait * random.uniform(1, 2))  # noqa: S311  # no secret
        return request()

    def _note(self, exc: Exception) -> None:
        reason = str(exc).partition("\n")[0].partition("?")[0]
        log.warning("store_request_retried", connection=self._name, kind=self._kind, error=reason)
        for watcher in watchers:
            watcher(self._kind)
