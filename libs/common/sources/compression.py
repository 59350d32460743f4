"""Decompress a source as it streams, bounded in memory and in what comes out.

    file ──stored bytes──► Decoder ──plain bytes──► SourceStream (in `sources`)

A file that ends early, or goes on with something else, is an error and never a short source. Several gzip
members or zstd frames one after the other are one source, as `gzip -d` and `zstd -d` read them.
"""

import zlib
from typing import Protocol

import zstandard

from libs.common.errors import SourceError

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte from 0x50 to 0x5f
MAGIC_BYTES = 4

_GZIP_WINDOW = 31  # zlib's word for "gzip header and checksum"
# zstd cannot be told how much to put out. Its densest block makes 128 KB of 4 bytes, so this much input
# makes 128 MB at the very worst, and 16 KB as a rule.
_ZSTD_SLICE = 4096


class Decoder(Protocol):
    """Turns stored bytes into plain ones; `needs_input` tells when it has used up what it was fed."""

    @property
    def needs_input(self) -> bool:
        """Tell whether `read` needs more stored bytes first."""
        ...

    def feed(self, data: bytes) -> None:
        """Take the next stored bytes."""
        ...

    def read(self, size: int) -> bytes:
        """Return plain bytes, about `size` at most; none does not mean the end."""
        ...

    def finish(self) -> None:
        """Raise `SourceError` when the stored bytes may not end here."""
        ...


def detect(start: bytes) -> str:
    """Name the compression of a file by its first bytes: gzip, zstd or none."""
    if start.startswith(GZIP_MAGIC):
        return "gzip"
    skippable = len(start) >= MAGIC_BYTES and start[0] >> 4 == 5 and start[1:4] == _ZSTD_SKIPPABLE
    return "zstd" if start.startswith(ZSTD_MAGIC) or skippable else "none"


def make_decoder(compression: str) -> Decoder:
    """Make the decoder of a compression other than none."""
    return GzipDecoder() if compression == "gzip" else ZstdDecoder()


class GzipDecoder:
    """Decodes gzip members; zero bytes after one are padding, as tapes leave it."""

    def __init__(self) -> None:
        """Stand before the first member."""
        self._waiting = b""
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._is_inside = True

    @property
    def needs_input(self) -> bool:
        """Tell whether everything fed has been decoded."""
        return not self._waiting

    def feed(self, data: bytes) -> None:
        """Take the next stored bytes."""
        self._waiting = data

    def read(self, size: int) -> bytes:
        """Return plain bytes."""
        if not self._is_inside:
            self._waiting = self._waiting.lstrip(b"\0")
            if not self._waiting:
                return b""
            self._member, self._is_inside = zlib.decompressobj(_GZIP_WINDOW), True
        try:
            data = self._member.decompress(self._waiting, size)
        except zlib.error as exc:
            raise corrupt("gzip", str(exc)) from exc
        self._is_inside = not self._member.eof
        self._waiting = (
            self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        )
        return data

    def finish(self) -> None:
        """Raise unless the last member is whole."""
        if self._is_inside:
            raise truncated("gzip")


class ZstdDecoder:
    """Decodes zstd frames, skippable ones included."""

    def __init__(self) -> None:
        """Stand before the first frame."""
        self._waiting = memoryview(b"")
        self._decompressor = zstandard.ZstdDecompressor()
        self._frame = self._decompressor.decompressobj()
        self._is_inside = True

    @property
    def needs_input(self) -> bool:
        """Tell whether everything fed has been decoded."""
        return not self._waiting

    def feed(self, data: bytes) -> None:
        """Take the next stored bytes."""
        self._waiting = memoryview(data)

    def read(self, size: int) -> bytes:  # noqa: ARG002  # bounded by the slice instead
        """Return plain bytes."""
        if not self._is_inside:
            self._frame, self._is_inside = self._decompressor.decompressobj(), True
        piece, self._waiting = self._waiting[:_ZSTD_SLICE], self._waiting[_ZSTD_SLICE:]
        try:
            data = self._frame.decompress(piece)
        except zstandard.ZstdError as exc:
            raise corrupt("zstd", str(exc)) from exc
        if self._frame.eof:
            self._is_inside = False
            self._waiting = memoryview(self._frame.unused_data + self._waiting)
        return data

    def finish(self) -> None:
        """Raise unless the last frame is whole."""
        if self._is_inside:
            raise truncated("zstd")


def corrupt(compression: str, reason: str) -> SourceError:
    """Make the error for stored bytes that cannot be decoded."""
    return SourceError(
        "source-corrupt",
        f"the source cannot be decompressed as {compression} ({reason}); send the file again, or set "
        "the dataset's compression to what it is",
    )


def truncated(compression: str) -> SourceError:
    """Make the error for stored bytes that end too early."""
    return corrupt(compression, "it ends before its compressed data does")
