"""Read a file of a store as if it were open here: in ranges, the next one on its way while one is used."""

import io
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_SHORTEST = 1 << 18
_LONGEST = 8 << 20
"""So many bytes are asked for at a time, at most: the wait for a distant store is small beside their transfer."""
_GROWTH = 4
"""Each range that follows another is so many times as long: who wants a header alone gets no more."""

ReadRange = Callable[[int, int], bytes]
"""Returns all bytes from one place to another, or raises."""


class RangeReader(io.RawIOBase):
    """The bytes of a file of known size; holds two ranges at most."""

    def __init__(self, read: ReadRange, size: int) -> None:
        """Read nothing yet."""
        super().__init__()
        self._read = read
        self._size = size
        self._position = 0
        self._start, self._data = 0, b""
        self._length = _SHORTEST
        self._ahead: tuple[int, Future[bytes]] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._end = size

    def expect_end(self, end: int) -> None:
        """Ask for nothing behind `end` before it is read: what is asked for too much is sent all the same."""
        self._end = min(end, self._size)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place; nothing is read for it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"there is no byte before the first: {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed: any buffer
        """Fill the buffer with what is at hand of the range at this place; 0 at the end."""
        if self.closed:
            raise ValueError("the file is closed")
        if self._position >= self._size:
            return 0
        if not 0 <= self._position - self._start < len(self._data):
            self._data = self._take(self._position)
            self._start = self._position
        offset = self._position - self._start
        piece = memoryview(self._data)[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        """Let go of what is on its way."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._data, self._ahead = b"", None
        super().close()

    def _take(self, start: int) -> bytes:
        """Return the range at a place, and have the one behind it fetched if it follows another."""
        follows = start > 0 and start == self._start + len(self._data)
        self._length = min(_LONGEST, self._length * _GROWTH) if follows else _SHORTEST
        if self._ahead is not None and self._ahead[0] == start:
            data = self._ahead[1].result()
        else:
            data = self._read(start, self._end_of(start))
        behind = start + len(data)
        wanted = follows and behind < self._end
        self._ahead = (behind, self._fetch_ahead(behind)) if wanted else None
        return data

    def _fetch_ahead(self, start: int) -> Future[bytes]:
        return self._thread.submit(self._read, start, self._end_of(start))

    def _end_of(self, start: int) -> int:
        end = self._end if start < self._end else self._size
        return min(start + self._length, end)
