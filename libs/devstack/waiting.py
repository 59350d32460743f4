"""Wait for a condition with a deadline, in place of every sleep of a guessed length."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.05


def wait_until(
    condition: Callable[[], bool],
    deadline_seconds: float,
    poll_seconds: float = POLL_SECONDS,
) -> bool:
    """Return whether the condition came true before the deadline, looking again and again."""
    end = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(poll_seconds)
    return True
