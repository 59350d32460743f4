"""Make the next blocks while Postgres takes this one: reading and typing use one core, the COPY another."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")

_AHEAD = 2
"""Items made in advance: enough that neither side waits for the other's slower ones."""


def read_ahead(items: Generator[Item, None, None]) -> Iterator[Item]:
    """Yield the items in order, the next ones being made in a thread; what that raises is raised here."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        coming: deque[Future[Item | None]] = deque()
        try:
            coming.extend(thread.submit(next, items, None) for _ in range(_AHEAD))
            while (item := coming.popleft().result()) is not None:
                coming.append(thread.submit(next, items, None))
                yield item
        finally:
            for future in coming:
                future.cancel()
            thread.shutdown(wait=True)
            items.close()
