"""Decompress a source as it streams, bounded in memory and in what comes out.

    file ──stored bytes──► Decoder ──plain bytes──► SourceStream (in `stream`)

A file that ends early, or goes on with something else, is an error and never a short source. Several gzip
members or zstd frames one after the other are one source, as `gzip -d` and `zstd -d` read them.
"""

import zlib
from abc import ABC, abstractmethod

from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

from libs.common.errors import SourceError

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte from 0x50 to 0x5f
MAGIC_BYTES = 4

_GZIP_WINDOW = 31  # zlib's word for "gzip header and checksum"
# What one call is given at most: at the end of each member both libraries copy what is left of it.
_SLICE = 1 << 14


class Decoder(ABC):
    """Turns stored bytes into plain ones; `members` counts the gzip members or zstd frames that were begun."""

    def __init__(self) -> None:
        """Stand before the first member."""
        self._stored = memoryview(b"")
        self._position = 0
        self.members = 0

    @property
    def needs_input(self) -> bool:
        """Return whether `read` needs more stored bytes first."""
        return self._position == len(self._stored)

    def feed(self, data: bytes) -> None:
        """Take the next stored bytes."""
        self._stored, self._position = memoryview(data), 0

    @abstractmethod
    def read(self, size: int) -> bytes:
        """Return plain bytes, `size` at most; none does not mean the end."""

    @abstractmethod
    def finish(self) -> None:
        """Raise `SourceError` when the stored bytes may not end here."""

    def _next_slice(self) -> memoryview:
        """Return the next stored bytes, and count them as used."""
        piece = self._stored[self._position : self._position + _SLICE]
        self._position += len(piece)
        return piece


def detect(start: bytes) -> str:
    """Name the compression of a file by its first bytes: gzip, zstd or none."""
    if start.startswith(GZIP_MAGIC):
        return "gzip"
    skippable = len(start) >= MAGIC_BYTES and start[0] >> 4 == 5 and start[1:4] == _ZSTD_SKIPPABLE
    return "zstd" if start.startswith(ZSTD_MAGIC) or skippable else "none"


def make_decoder(compression: str, max_window_bytes: int) -> Decoder:
    """Make the decoder of a compression other than none; zstd may look back so many plain bytes."""
    return GzipDecoder() if compression == "gzip" else ZstdDecoder(max_window_bytes)


class GzipDecoder(Decoder):
    """Decodes gzip members; zero bytes after one are padding, as tapes leave it."""

    def __init__(self) -> None:
        """Stand before the first member."""
        super().__init__()
        self._begin()

    def read(self, size: int) -> bytes:
        """Return plain bytes."""
        piece = self._next_slice()
        if self._member.eof:
            piece = piece if piece[0] else memoryview(bytes(piece).lstrip(b"\0"))
            if not piece:
                return b""
            self._begin()
        try:
            data = self._member.decompress(piece, size)
        except zlib.error as exc:
            raise corrupt("gzip", str(exc)) from exc
        left = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        self._position -= len(left)
        return data

    def finish(self) -> None:
        """Raise unless the last member is whole."""
        if not self._member.eof:
            raise truncated("gzip")

    def _begin(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self.members += 1


class ZstdDecoder(Decoder):
    """Decodes zstd frames, skippable ones included."""

    def __init__(self, max_window_bytes: int) -> None:
        """Stand before the first frame."""
        super().__init__()
        self._max_window_bytes = max_window_bytes
        largest = max_window_bytes.bit_length() - 1
        self._options: dict[int, int] = {DecompressionParameter.window_log_max: largest}
        self._begin()

    @property
    def needs_input(self) -> bool:
        """Return whether everything fed has been decoded; a frame keeps what it has not put out yet."""
        return super().needs_input and (self._frame.eof or self._frame.needs_input)

    def read(self, size: int) -> bytes:
        """Return plain bytes."""
        if self._frame.eof:
            self._begin()
        piece = self._next_slice() if self._frame.needs_input else b""
        try:
            data = self._frame.decompress(piece, size)
        except ZstdError as exc:
            raise self._explain(exc) from exc
        if self._frame.eof:
            self._position -= len(self._frame.unused_data)
        return data

    def finish(self) -> None:
        """Raise unless the last frame is whole."""
        if not self._frame.eof:
            raise truncated("zstd")

    def _begin(self) -> None:
        self._frame = ZstdDecompressor(options=self._options)
        self.members += 1

    def _explain(self, exc: ZstdError) -> SourceError:
        if "too much memory" not in str(exc):  # the library gives no code
            return corrupt("zstd", str(exc))
        return SourceError(
            "source-too-large",
            f"the source was compressed with a window of more than {self._max_window_bytes} bytes; compress it without "
            "--long or --ultra, or raise ADSP_MAX_ZSTD_WINDOW_BYTES",
        )


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
