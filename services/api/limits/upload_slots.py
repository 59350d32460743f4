"""Bound how many uploads an api takes at once: each holds a file, a block of memory and a connection."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from services.api.errors.problems import RETRY_SECONDS, ProblemError

_MOST_WRITERS = 4
"""Files that the api writes itself at once: each holds a connection and a thread until all of it is read."""


class UploadSlots:
    """The uploads under way; used from the event loop alone, so that it needs no lock."""

    def __init__(self, most: int) -> None:
        """Allow `most` uploads at once, and no owner more than half of them."""
        self._most = most
        self._most_of_one = max(1, most // 2)
        self._held: Counter[str | None] = Counter()
        self._writers = asyncio.Semaphore(_MOST_WRITERS)

    @contextmanager
    def taken(self, owner: str | None) -> Iterator[None]:
        """Hold a slot, or raise the problem when there is none; callers without keys share all of them."""
        most_of_this = self._most if owner is None else self._most_of_one
        if self._held.total() >= self._most or self._held[owner] >= most_of_this:
            raise ProblemError(
                429,
                "too-many-uploads",
                "as many files are being uploaded as this api takes at once; send the file again "
                "when one of them has ended",
                {"Retry-After": str(RETRY_SECONDS)},
            )
        self._held[owner] += 1
        try:
            yield
        finally:
            self._held[owner] -= 1

    @asynccontextmanager
    async def writing(self, owner: str | None) -> AsyncIterator[None]:
        """Hold a slot for a file that the api writes itself, and wait for others that do."""
        with self.taken(owner):
            async with self._writers:
                yield
