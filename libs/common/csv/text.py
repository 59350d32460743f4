"""Read a file as text in which every ASCII byte means itself, and tell where in the file each piece of it stands.

    source ──bytes──► Text ──► preamble, header, footer, framing ──► records
                       └── place ──► offsets in the file

The bytes of a file are such a text in every encoding but UTF-16, which becomes UTF-8 here, and nowhere else.
"""

from typing import Protocol

from libs.common.csv.utf16 import UTF_16, OffsetMap, Utf16Decoder


class ByteStream(Protocol):
    """What a text is read from: `read` returns about `size` bytes, and none only at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        ...


class Text:
    """The text of a stream that stands at offset `start` of its file, up to offset `end`, or the end of all.

    Positions in it are counted from `start` too. `utf16` is the file's encoding where that is UTF-16 of one byte
    order: then they are not the offsets in the file.
    """

    def __init__(
        self, stream: ByteStream, encoding: str = "utf-8", start: int = 0, end: int | None = None
    ) -> None:
        """Read nothing yet; the encoding has its byte order, see `Header`."""
        self.start = start
        self.ends_with_file = end is None
        self.utf16 = encoding if encoding in UTF_16 else None
        self._stream = stream
        self._left = None if end is None else max(0, end - start)
        if self.utf16 is not None:
            self._decoder = Utf16Decoder(self.utf16)
            self._offsets = OffsetMap(b"", start, start, self.utf16)

    def read(self, size: int, /) -> bytes:
        """Return about `size` bytes, and none only at the end."""
        if self.utf16 is None:
            return self._read_stored(size)
        data, at_end = b"", False
        while not data and not at_end:
            stored = self._read_stored(size)
            at_end = not stored
            data = self._decoder.decode(stored, at_end=at_end)
        self._offsets.add(data)
        return data

    def place(self, position: int) -> int:
        """Return the offset in the file of a position, which must not be before the one asked for last."""
        return position if self.utf16 is None else self._offsets.place(position)

    def _read_stored(self, size: int) -> bytes:
        """Read on, never past the end."""
        if self._left is None:
            return self._stream.read(size)
        stored = self._stream.read(min(size, self._left))[: self._left] if self._left else b""
        self._left -= len(stored)
        return stored
