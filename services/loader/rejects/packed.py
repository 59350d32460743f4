"""Keep bytes compressed, in memory and beyond a size in a file, until they are read from the start."""

import errno
import io
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO

from backports import zstd

from libs.common.errors import BadInput

_FRAME_BYTES = 1 << 20
"""Bytes that are compressed at a time, at least: small ones would hardly shrink."""
_LEVEL = 1
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SpoolFull(BadInput):
    """There is no room for the failed rows of a load, and another attempt would only fill it again."""


class PackedBytes:
    """Bytes that grow at their end; at most `memory_bytes` of them, compressed, stay in memory.

    The file has no name and goes with the process. What was appended before an error can still be read.
    """

    def __init__(self, folder: Path | None, memory_bytes: int) -> None:
        """Start empty; `folder` is where the file is made, the system's temporary one if it is None."""
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._compressor = zstd.ZstdCompressor(level=_LEVEL)
        self._file: IO[bytes] | None = None
        self.clear()

    def clear(self) -> None:
        """Drop all bytes."""
        self._plain = bytearray()
        self._frames: list[bytes] = []
        self._written: list[int] = []
        if self._file is not None:
            self._file.truncate(0)

    def close(self) -> None:
        """Drop the file."""
        if self._file is not None:
            self._file.close()

    def append(self, data: bytes | memoryview) -> None:
        """Add bytes; raises `SpoolFull` when the file can grow no more, and has added them then all the same."""
        self._plain += data
        if len(self._plain) < _FRAME_BYTES:
            return
        self._frames.append(self._compressor.compress(self._plain, zstd.ZstdCompressor.FLUSH_FRAME))
        self._plain = bytearray()
        if sum(map(len, self._frames)) > self._memory_bytes:
            self._spill()

    def blocks(self) -> Iterator[bytes]:
        """Yield all bytes from the start."""
        if self._file is not None:
            self._file.seek(0)
            for length in self._written:
                yield zstd.decompress(self._file.read(length))
        yield from map(zstd.decompress, self._frames)
        yield bytes(self._plain)

    def _spill(self) -> None:
        """Move the frames in memory to the file, all or none of them."""
        end = sum(self._written)
        try:
            # Unbuffered: what does not fit must not be tried again when the file is closed.
            if self._file is None:
                self._file = TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115  # see `close`
            self._file.seek(end)
            for frame in self._frames:
                _write_whole(self._file, frame)
        except OSError as exc:
            if exc.errno not in _NO_ROOM:
                raise
            if self._file is not None:
                self._file.truncate(end)
            raise self._full(end) from exc
        self._written += map(len, self._frames)
        self._frames = []

    def _full(self, size: int) -> SpoolFull:
        """Word the error."""
        folder = self._folder or gettempdir()
        return SpoolFull(
            "spool-full",
            f"the failed rows of this load have no room: {size:,} bytes of them, compressed, stand in {folder} of the "
            "loader; nothing of this chunk was loaded: correct the failed rows' cause, set max_rejected_rows, or give "
            "that folder more room (ADSP_SPOOL_DIR), and load again",
        )


class BlockReader(io.RawIOBase):
    """A file to read of blocks that come one after the other."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        """Read these blocks."""
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as one block goes; nothing is left when it returns 0."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _write_whole(file: IO[bytes], data: bytes) -> None:
    """Write all of it; a disk that is nearly full takes a part first."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
