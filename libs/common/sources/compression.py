"""Decompress a source as it streams, bounded in memory and in what comes out.

    file ──stored bytes──► Decoder ──plain bytes──► SourceStream (in `stream`)

A file that ends early, or goes on with something else than a line end, is an error and never a short source. Several
gzip members, zstd frames, bzip2 or xz streams one after the other are one source, as their own tools read them. One
file of a zip archive is in `zip_member`.
"""

import bz2
import lzma
import zlib
from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

from libs.common.errors import SourceError
from libs.common.sources.magic_bytes import GZIP_MAGIC, ZSTD_MAGIC

_LINE_ENDS = b"\r\n"
_SHOWN = 16
_XZ_OVERHEAD = 1 << 20
_GZIP_WINDOW = 31  # zlib's word for "gzip header and checksum"
# What one call is given at most: at the end of each member both libraries copy what is left of it.
_SLICE = 1 << 14


class Decoder(ABC):
    """Turns stored bytes into plain ones; `members` counts those that were begun."""

    def __init__(self) -> None:
        """Stand before the first member."""
        self._stored = memoryview(b"")
        self._position = 0
        self.members = 0
        self.has_odd_end = False

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


def make_decoder(compression: str, max_window_bytes: int) -> Decoder:
    """Make the decoder of a compression other than none and zip; zstd and xz may look back so many plain bytes."""
    if compression == "gzip":
        return GzipDecoder()
    if compression == "bzip2":
        return Bzip2Decoder()
    return XzDecoder(max_window_bytes) if compression == "xz" else ZstdDecoder(max_window_bytes)


class MemberDecoder(Decoder):
    """Decodes members one after the other; between and after them there may be padding.

    Line ends after the last one are left out: `has_odd_end` says that there were some.
    """

    name: ClassVar[str]
    first_bytes: ClassVar[frozenset[int]]
    padding: ClassVar[bytes] = b""

    def __init__(self) -> None:
        """Stand before the first member."""
        super().__init__()
        self._begin()

    def read(self, size: int) -> bytes:
        """Return plain bytes."""
        if self._is_over and not self._begin_next():
            return b""
        return self._decode(size)

    def finish(self) -> None:
        """Raise unless the last member is whole."""
        if not self._is_over:
            raise truncated(self.name)

    @property
    @abstractmethod
    def _is_over(self) -> bool:
        """Return whether the member has ended."""

    @abstractmethod
    def _begin(self) -> None:
        """Stand before a member, and count it."""

    @abstractmethod
    def _decode(self, size: int) -> bytes:
        """Return plain bytes of the member."""

    def _begin_next(self) -> bool:
        """Step over what may stand behind a member; return whether another one begins."""
        piece = self._next_slice()
        rest = piece
        if piece and piece[0] in (*self.padding, *_LINE_ENDS):
            rest = memoryview(bytes(piece).lstrip(self.padding + _LINE_ENDS))
            skipped = bytes(piece[: len(piece) - len(rest)])
            self.has_odd_end = self.has_odd_end or bool(skipped.strip(self.padding))
        if not rest:
            return False
        if self.has_odd_end or rest[0] not in self.first_bytes:
            raise corrupt(
                self.name, f"after its compressed data it goes on with {bytes(rest[:_SHOWN])!r}"
            )
        self._position -= len(rest)
        self._begin()
        return True


class GzipDecoder(MemberDecoder):
    """Decodes gzip members; zero bytes after one are padding, as tapes leave it."""

    name = "gzip"
    first_bytes = frozenset(GZIP_MAGIC[:1])
    padding = b"\0"

    @property
    def _is_over(self) -> bool:
        return self._member.eof

    def _begin(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self.members += 1

    def _decode(self, size: int) -> bytes:
        try:
            data = self._member.decompress(self._next_slice(), size)
        except zlib.error as exc:
            raise corrupt("gzip", str(exc)) from exc
        left = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        self._position -= len(left)
        return data


class _Decompressor(Protocol):
    """What zstd, bzip2 and xz have in common: it keeps what it has not put out yet."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: "bytes | memoryview", size: int = -1, /) -> bytes: ...


class BufferingDecoder(MemberDecoder):
    """Decodes members by a library that keeps what it has not put out yet."""

    errors: ClassVar[tuple[type[Exception], ...]]
    _member: _Decompressor

    @property
    def needs_input(self) -> bool:
        """Return whether everything fed has been decoded."""
        return super().needs_input and (self._member.eof or self._member.needs_input)

    @property
    def _is_over(self) -> bool:
        return self._member.eof

    def _begin(self) -> None:
        self._member = self._make()
        self.members += 1

    def _decode(self, size: int) -> bytes:
        piece = self._next_slice() if self._member.needs_input else b""
        try:
            data = self._member.decompress(piece, size)
        except self.errors as exc:
            raise self._explain(exc) from exc
        if self._member.eof:
            self._position -= len(self._member.unused_data)
        return data

    @abstractmethod
    def _make(self) -> _Decompressor:
        """Return what decodes one member."""

    def _explain(self, exc: Exception) -> SourceError:
        return corrupt(self.name, str(exc))


class ZstdDecoder(BufferingDecoder):
    """Decodes zstd frames, skippable ones included."""

    name = "zstd"
    first_bytes = frozenset({ZSTD_MAGIC[0], *range(0x50, 0x60)})
    errors = (ZstdError,)

    def __init__(self, max_window_bytes: int) -> None:
        """Stand before the first frame."""
        self._max_window_bytes = max_window_bytes
        largest = max_window_bytes.bit_length() - 1
        self._options: dict[int, int] = {DecompressionParameter.window_log_max: largest}
        super().__init__()

    def _make(self) -> _Decompressor:
        return ZstdDecompressor(options=self._options)

    def _explain(self, exc: Exception) -> SourceError:
        if "too much memory" not in str(exc):  # the library gives no code
            return super()._explain(exc)
        return _window_too_large(self._max_window_bytes, "without --long or --ultra")


class Bzip2Decoder(BufferingDecoder):
    """Decodes bzip2 streams."""

    name = "bzip2"
    first_bytes = frozenset(b"B")
    errors = (OSError, ValueError)

    def _make(self) -> _Decompressor:
        return bz2.BZ2Decompressor()


class XzDecoder(BufferingDecoder):
    """Decodes xz streams, with the padding that may follow one."""

    name = "xz"
    first_bytes = frozenset(b"\xfd")
    padding = b"\0"
    errors = (lzma.LZMAError,)

    def __init__(self, max_window_bytes: int) -> None:
        """Stand before the first stream."""
        self._max_window_bytes = max_window_bytes
        super().__init__()

    def _make(self) -> _Decompressor:
        most = self._max_window_bytes + _XZ_OVERHEAD
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=most)

    def _explain(self, exc: Exception) -> SourceError:
        if "emory" not in str(exc):  # the library gives no code
            return super()._explain(exc)
        return _window_too_large(self._max_window_bytes, "with a smaller dictionary")


def _window_too_large(most: int, how: str) -> SourceError:
    return SourceError(
        "source-too-large",
        f"the source was compressed with a window of more than {most} bytes; compress it {how}, or raise "
        "ADSP_MAX_ZSTD_WINDOW_BYTES",
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
