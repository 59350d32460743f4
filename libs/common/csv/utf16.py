"""Turn UTF-16 into UTF-8 and back, and tell where in the file each piece of that stands: for `text`.

What is no UTF-16 comes out as bytes that are no UTF-8 and can be turned back: a lone surrogate as the three bytes
that it would have, the last byte of an odd number as a byte that never occurs and two more that hold it. So framing
and splitting need to know one kind of text only, and a record is refused for its own bytes.
"""

UTF_16 = frozenset({"utf-16", "utf-16-le", "utf-16-be"})
_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_ODD = 0xFF
_LOOSE = "surrogatepass"


def with_byte_order(encoding: str, start: bytes) -> str:
    """Return the encoding with its byte order: that of the mark at the start, else the little one, as on Windows.

    A mark of the other order than declared would be no character, so it counts.
    """
    if encoding not in UTF_16:
        return encoding
    return _MARKS.get(start[:2], "utf-16-le" if encoding == "utf-16" else encoding)


def bom_of(encoding: str) -> bytes:
    """Return the byte order mark of an encoding that has its byte order."""
    return "\ufeff".encode(encoding)


class Utf16Decoder:
    """Turns UTF-16 that comes piece by piece into UTF-8."""

    def __init__(self, encoding: str) -> None:
        """Begin with a character; the encoding has its byte order."""
        self._encoding = encoding
        self._kept = b""

    def decode(self, stored: bytes, *, at_end: bool) -> bytes:
        """Return what is whole of the bytes so far; at the end, all of them."""
        self._kept += stored
        whole = len(self._kept) & ~1
        if not at_end and whole and self._is_high(self._kept[whole - 2 : whole]):
            whole -= 2
        text, self._kept = self._kept[:whole], self._kept[whole:]
        data = as_utf8(text, self._encoding)
        if at_end and self._kept:
            odd, self._kept = self._kept[0], b""
            data += bytes((_ODD, 0x80 | odd >> 4, 0x80 | odd & 15))
        return data

    def _is_high(self, unit: bytes) -> bool:
        """Return whether a unit is the first half of a pair."""
        return unit[self._encoding == "utf-16-le"] & 0xFC == 0xD8


class OffsetMap:
    """Turns positions in UTF-8, which may grow at its end, into offsets of the file; never goes back."""

    def __init__(self, data: bytes, position: int, offset: int, encoding: str) -> None:
        """Lay the ruler on `data`, whose first byte has this position and stands at this offset."""
        self._data = data
        self._position = position
        self._offset = offset
        self._encoding = encoding

    def add(self, data: bytes) -> None:
        """Make the text longer."""
        self._data += data

    def place(self, position: int) -> int:
        """Return the offset of a position, and forget what stands before it."""
        size = position - self._position
        self._offset += len(restore(self._data[:size], self._encoding))
        self._data, self._position = self._data[size:], position
        return self._offset


def as_utf8(stored: bytes, encoding: str) -> bytes:
    """Return UTF-16 of the file as UTF-8; half a unit at its end is left out."""
    return stored[: len(stored) & ~1].decode(encoding, _LOOSE).encode("utf-8", _LOOSE)


def restore(data: bytes, encoding: str) -> bytes:
    """Return the bytes of the file that were read as `data`; a character cut at its end is left out."""
    text, odd, rest = data.partition(bytes((_ODD,)))
    stored = _whole_characters(text).decode("utf-8", _LOOSE).encode(encoding, _LOOSE)
    return (
        stored + bytes(((rest[0] & 15) << 4 | rest[1] & 15,)) if odd and len(rest) > 1 else stored
    )


def _whole_characters(data: bytes) -> bytes:
    """Return UTF-8 without a character that is cut at its end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            size = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return data if size <= back else data[:-back]
        if byte < 0x80:
            return data
    return data
