"""Wait in tests for a condition instead of sleeping for a guessed time."""

import time
from collections.abc import Callable
from typing import TypeVar

_POLL_SECONDS = 0.02

Answer = TypeVar("Answer")


def wait_for(condition: Callable[[], Answer], deadline_seconds: float, what: str) -> Answer:
    """Return the condition's first true answer; fail, naming `what`, after the deadline."""
    end = time.monotonic() + deadline_seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(
                f"{what}: not within {deadline_seconds:g} s; the last answer was {answer!r}"
            )
        time.sleep(_POLL_SECONDS)
