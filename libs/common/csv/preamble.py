"""Pass the lines of a file that stand before its header, and below it, by the rules of its format.

Such lines end where lines end, whatever quotes say.
"""

import re

from libs.common.csv.line_ends import LineEnds
from libs.common.csv.text import ByteStream
from libs.common.errors import HeaderError

_READ_BYTES = 1 << 16
_MOST_LINES = 10_000


class Rejoined:
    """A stream whose first bytes have been read and put back; it remembers what is read of it."""

    def __init__(self, seen: bytes, stream: ByteStream) -> None:
        """Put `seen` before what the stream still holds."""
        self._seen, self._stream = seen, stream
        self.read_so_far = bytearray()

    def read(self, size: int, /) -> bytes:
        """Return the bytes put back first, then those of the stream."""
        if self._seen:
            taken, self._seen = self._seen[:size], self._seen[size:]
        else:
            taken = self._stream.read(size)
        self.read_so_far += taken
        return taken

    def again_from(self, place: int) -> "Rejoined":
        """Return a stream that begins at a place of what was read."""
        return Rejoined(bytes(self.read_so_far[place:]) + self._seen, self._stream)


class Preamble:
    """Passes lines of a text; `passed` counts their bytes, and `lines` the lines."""

    def __init__(self, stream: ByteStream, encoding: str, line_ends: LineEnds, cap: int) -> None:
        """Stand before the first line; no line may be longer than `cap` bytes."""
        self._stream = stream
        self._encoding = encoding
        self._ends = line_ends.pattern
        self._cap = cap
        self._seen, self._at_end = b"", False
        self.passed = self.lines = 0

    def skip(self, count: int) -> None:
        """Pass so many lines, or all there are."""
        while self.lines < count and (line := self._next()) is not None:
            self._pass(line[1])

    def peek(self) -> str | None:
        """Return the next line without passing it, None at the end."""
        line = self._next()
        return None if line is None else line[0]

    def find(self, wanted: str) -> None:
        """Pass the lines before the first one that holds a text or matches it; raise `HeaderError` if none does."""
        pattern = compile_or_none(wanted)
        while self.lines < _MOST_LINES and (line := self._next()) is not None:
            text, size = line
            if wanted in text or (pattern is not None and pattern.search(text)):
                return
            self._pass(size)
        raise HeaderError(
            "header-not-found",
            f"no line of the first {self.lines} holds {wanted!r}, by which the dataset's format finds the header "
            "('header.find'); send the whole file, or correct 'find'",
        )

    def rest(self) -> Rejoined:
        """Return the stream from the line that was not passed."""
        return Rejoined(self._seen, self._stream)

    def _pass(self, size: int) -> None:
        self._seen = self._seen[size:]
        self.passed += size
        self.lines += 1

    def _next(self) -> tuple[str, int] | None:
        """Return the next line's text without its end, and how many bytes it takes with it; None at the end."""
        while True:
            text = self._seen
            found = self._ends.search(text)
            if found and (self._at_end or found.end() < len(text)):
                return self._line(text, found.start(), found.end())
            if self._at_end:
                return self._line(text, len(text), len(text)) if text else None
            if len(self._seen) > self._cap:
                raise HeaderError(
                    "header-not-found",
                    f"line {self.lines + 1} is longer than {self._cap} bytes and no line above the header; correct "
                    "the file or 'header' of the dataset's format",
                )
            more = self._stream.read(_READ_BYTES)
            self._seen, self._at_end = self._seen + more, not more

    def _line(self, text: bytes, end: int, after: int) -> tuple[str, int]:
        return text[:end].decode(self._encoding, "replace"), after


def compile_or_none(pattern: str) -> re.Pattern[str] | None:
    """Return a text as a regular expression, or None where it is none."""
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return None
