"""Say where lines end, for each `line_end` of a file format: records end there too, outside quotes.

What a plain cell cannot hold follows: the signs of the line end, and a lone return in every file but those of CR.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

LineEnd: TypeAlias = Literal["auto", "lf", "crlf", "cr"]


@dataclass(frozen=True, slots=True)
class LineEnds:
    """How lines end: `pattern` finds an end, `sure` is one that no later byte can make longer.

    `signs` are the bytes that no plain cell holds. `newline` is what most lines end with, or its last byte. `count`
    counts ends. `are_feeds` says of bytes whether each LF in them ends a line and no other byte does; the CR at their
    very end may be the start of a CRLF.
    """

    pattern: re.Pattern[bytes]
    sure: bytes
    signs: bytes
    newline: bytes
    count: Callable[[bytes], int]
    are_feeds: Callable[[bytes], bool]

    def count_around(self, head: bytes, tail: bytes) -> int:
        """Return by how many ends the count of two parts together differs from the sum of their counts."""
        joined = head[-1:] + tail[:1]
        return self.count(joined) - self.count(head[-1:]) - self.count(tail[:1])


def _count_lone_returns(data: bytes) -> int:
    return data.count(b"\r") - data.count(b"\r\n")


def _has_no_lone_return(data: bytes) -> bool:
    return _count_lone_returns(data) == 0


def _count_feeds(data: bytes) -> int:
    return data.count(b"\n")


AUTO = LineEnds(
    re.compile(rb"\r?\n"),
    rb"(\n|\r\n)",
    rb"\r\n",
    b"\n",
    _count_feeds,
    are_feeds=_has_no_lone_return,
)
AUTO_WITH_RETURNS = LineEnds(
    re.compile(rb"\r\n|\n|\r"),
    rb"(\n|\r\n|\r(?=.))",
    rb"\r\n",
    b"\r",
    lambda data: data.count(b"\n") + (_count_lone_returns(data) if b"\r" in data else 0),
    are_feeds=_has_no_lone_return,
)
LF = LineEnds(
    re.compile(rb"\n"),
    rb"(\n)",
    rb"\r\n",
    b"\n",
    _count_feeds,
    are_feeds=lambda data: b"\r" not in data,
)
CRLF = LineEnds(
    re.compile(rb"\r\n"),
    rb"(\r\n)",
    rb"\r",
    b"\r\n",
    lambda data: data.count(b"\r\n"),
    are_feeds=lambda data: data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r"),
)
CR = LineEnds(
    re.compile(rb"\r\n?"),
    rb"(\r\n|\r(?=.))",
    rb"\r",
    b"\r",
    lambda data: data.count(b"\r"),
    are_feeds=lambda data: not data,
)
_NAMED = {"lf": LF, "crlf": CRLF, "cr": CR}


def line_ends_of(line_end: LineEnd, *, cr_ends_records: bool) -> LineEnds:
    """Return how the lines of a file end; `cr_ends_records` is what `auto` has found at its header."""
    return _NAMED.get(line_end, AUTO_WITH_RETURNS if cr_ends_records else AUTO)


def whole_lines(buffer: bytes, newline: bytes) -> bytes:
    """Return the lines of a buffer that have ended, if lines end so and more bytes may follow.

    An LF behind a CR is taken along, by which such lines are known to end otherwise.
    """
    if newline != b"\r":
        end = buffer.rfind(newline)
        return buffer[: end + len(newline)] if end >= 0 else b""
    end = buffer.rfind(newline, 0, -1) + 1
    return buffer[: end + buffer.startswith(b"\n", end)] if end else b""
