"""Read the plain bytes of an open source, within the limits of what is accepted.

    sources (opens) ──file──► SourceStream ──plain bytes──► frames

`position` counts bytes as they are stored, which is the unit of the ledger's ``bytes_total`` and
``bytes_done``; offsets of records and chunks count plain bytes.
"""

import io
import os
from dataclasses import dataclass
from typing import Protocol, Self

from libs.common.errors import SourceError
from libs.common.sources.compression import Decoder
from libs.common.sources.foreign_files import refuse_packed
from libs.common.sources.magic_bytes import MAGIC_BYTES
from libs.common.sources.settings import SourceSettings
from libs.common.sources.stores.range_reader import RangeReader

_READ_BYTES = 1 << 18
_RATIO_FREE_BYTES = 64 << 20  # small files may be as dense as they like
_BYTES_OF_MEMBER = 64  # to begin a member costs as much as to decode some kilobytes


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """How much may come out of a source, bytes; the ratio is that of plain to stored bytes.

    Of gzip members or zstd frames it may hold `max_members`, and one more for each 64 plain bytes.
    """

    max_bytes: int
    max_ratio: int
    max_members: int = 10_000
    max_zstd_window: int = 1 << 27

    @classmethod
    def from_settings(cls, settings: SourceSettings) -> Self:
        """Take the limits from a service's settings."""
        return cls(
            settings.max_decompressed_bytes,
            settings.max_decompression_ratio,
            settings.max_compressed_members,
            settings.max_zstd_window_bytes,
        )


class Digest(Protocol):
    """What is fed with bytes in their order, as hashlib's are."""

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
        ...


class SourceStream:
    """The plain bytes of a source, from its start; raises `SourceError` for damage and excess."""

    def __init__(
        self,
        file: io.RawIOBase,
        decoder: Decoder | None,
        limits: SourceLimits,
        digest: Digest | None = None,
    ) -> None:
        """Take over the open file; without a decoder its bytes are plain already.

        `digest` is fed with the stored bytes that are read, so not with those that `skip` jumps over.
        """
        self._file = file
        self._decoder = decoder
        self._limits = limits
        self._digest = digest
        self._decoded = b""
        self._plain_bytes = 0
        self._stored_bytes = 0

    @property
    def position(self) -> int:
        """Tell how many stored bytes have been read: the size of the file once all is read."""
        return self._stored_bytes

    @property
    def is_compressed(self) -> bool:
        """Return whether the stored bytes are not the plain ones: then `skip` has to read."""
        return self._decoder is not None

    @property
    def has_odd_end(self) -> bool:
        """Return whether line ends stood after the compressed data, once all is read."""
        return self._decoder is not None and self._decoder.has_odd_end

    def read(self, size: int, /) -> bytes:
        """Return the next plain bytes, `size` at most, and none only at the end."""
        if self._decoder is None:
            data = self._read_stored(size)
            self._count(len(data))
            return data
        if not self._decoded:
            self._decoded = self._decode(self._decoder, max(size, _READ_BYTES))
        data, self._decoded = self._decoded[:size], self._decoded[size:]
        return data

    def skip(self, count: int) -> None:
        """Move `count` plain bytes forward, or to the end; at once when the source is not compressed."""
        if self._decoder is None:
            self._stored_bytes = self._file.seek(count, os.SEEK_CUR)
            self._plain_bytes = self._stored_bytes
            return
        while count > 0 and (data := self.read(min(count, _READ_BYTES))):
            count -= len(data)

    def expect_end(self, end: int) -> None:
        """Say that nothing behind `end` plain bytes is going to be read, so that a store need not send it."""
        if self._decoder is None and isinstance(self._file, RangeReader):
            self._file.expect_end(end)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        """Return the stream itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the file."""
        self.close()

    def _read_stored(self, size: int) -> bytes:
        data = self._file.read(size) or b""
        self._stored_bytes += len(data)
        if self._digest is not None:
            self._digest.update(data)
        return data

    def _decode(self, decoder: Decoder, size: int) -> bytes:
        """Return the next decoded bytes; none only at a sound end."""
        while True:
            if decoder.needs_input:
                stored = self._read_stored(_READ_BYTES)
                if not stored:
                    decoder.finish()
                    return b""
                decoder.feed(stored)
            data = decoder.read(size)
            if data and not self._plain_bytes:
                refuse_packed(data[:MAGIC_BYTES])
            self._count(len(data))
            self._refuse_empty_members(decoder)
            if data:
                return data

    def _refuse_empty_members(self, decoder: Decoder) -> None:
        """Refuse a source of members that hold next to nothing, which would take minutes."""
        most = self._limits.max_members
        if decoder.members > most + self._plain_bytes // _BYTES_OF_MEMBER:
            raise SourceError(
                "source-corrupt",
                f"the source holds more than {most} gzip members or zstd frames of less than {_BYTES_OF_MEMBER} bytes "
                "each; compress it anew as one, or raise ADSP_MAX_COMPRESSED_MEMBERS",
            )

    def _count(self, length: int) -> None:
        """Count plain bytes and refuse too many of them."""
        self._plain_bytes += length
        limits = self._limits
        if self._plain_bytes > limits.max_bytes:
            raise SourceError(
                "source-too-large",
                f"the source holds more than {limits.max_bytes} bytes; split it, or raise "
                "ADSP_MAX_DECOMPRESSED_BYTES",
            )
        most = max(_RATIO_FREE_BYTES, limits.max_ratio * self._stored_bytes)
        if self._decoder is not None and self._plain_bytes > most:
            raise SourceError(
                "source-too-large",
                f"the source grows to more than {limits.max_ratio} times its size when decompressed; "
                "send it uncompressed, or raise ADSP_MAX_DECOMPRESSION_RATIO",
            )
