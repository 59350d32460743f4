"""Find the lines of a block at once where each is certainly one record: the quick look before `frames`.

    bytes ──lines──► where each record begins ──loader: columns──► cells
               └── anything uncommon ──► frames, record by record

Certain means: no NUL, no blank line, line ends all LF or all CRLF, and each quote either opens a cell, closes one, or
is doubled inside of one that ends on its line. Only positions of line ends and quotes are looked at, as arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from libs.common.datasets import FileFormat

Positions: TypeAlias = npt.NDArray[np.int64]
"""Offsets in a block, ascending."""

_CR, _LF = 13, 10


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a block: line `i` (from 0) is `data[starts[i]:starts[i + 1] - ending]`.

    `ending` is the length of a line end, 1 or 2 bytes; a last line without one counts as if it had it. `quotes` are
    the places of all quotes, opening and closing ones in turn.
    """

    data: bytes
    starts: Positions
    ending: int
    quotes: Positions

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.starts) - 1

    @property
    def ends(self) -> int:
        """Return the number of line ends: the last line may have none."""
        return len(self) - (not self.data.endswith(b"\n"))

    def texts(self, places: Sequence[int]) -> tuple[list[int], list[bytes]]:
        """Return for some lines where they begin, and their bytes without the end."""
        chosen = np.asarray(places, np.int64)
        begins, ends = (
            self.starts[chosen].tolist(),
            (self.starts[chosen + 1] - self.ending).tolist(),
        )
        return begins, [self.data[a:b] for a, b in zip(begins, ends, strict=True)]

    @property
    def longest(self) -> int:
        """Return the length of the longest line in bytes, without its end."""
        return int(np.diff(self.starts).max()) - self.ending


def find_lines(data: bytes, dialect: FileFormat) -> Lines | None:
    """Return the lines of whole records, or None when not each line is certainly one."""
    if not data or b"\0" in data:
        return None
    text = np.frombuffer(data, np.uint8)
    breaks = np.flatnonzero(text == _LF)
    ending = _length_of_ends(data, text, breaks)
    if ending is None:
        return None
    starts = np.concatenate(([0], breaks + 1))
    if not data.endswith(b"\n"):
        starts = np.append(starts, len(data) + ending)
    if (np.diff(starts) <= ending).any():
        return None  # a blank line
    quotes = _NONE
    if dialect.quote.encode() in data:
        quotes = np.flatnonzero(text == ord(dialect.quote))
        if not _are_sound(text, quotes, breaks, dialect):
            return None
    return Lines(data, starts, ending, quotes)


def count_ends(data: bytes, dialect: FileFormat) -> int | None:
    """Return the number of line ends if records certainly end there and nowhere else, or None."""
    if b"\r" not in data and dialect.quote.encode() not in data:
        return int(np.count_nonzero(np.frombuffer(data, np.uint8) == _LF))
    lines = find_lines(data, dialect)
    return None if lines is None else lines.ends


_NONE: Positions = np.empty(0, np.int64)


def _length_of_ends(data: bytes, text: npt.NDArray[np.uint8], breaks: Positions) -> int | None:
    """Return 1 or 2, the length of every line end, or None when they are not all alike."""
    if b"\r" not in data:
        return 1
    returns = np.flatnonzero(text == _CR)
    return 2 if np.array_equal(returns + 1, breaks) else None


def _are_sound(
    text: npt.NDArray[np.uint8], quotes: Positions, breaks: Positions, dialect: FileFormat
) -> bool:
    """Tell whether the quotes come in pairs on one line, each at a cell's edge or doubled."""
    opening, closing = quotes[0::2], quotes[1::2]
    if len(opening) != len(closing):
        return False
    if not np.array_equal(np.searchsorted(breaks, opening), np.searchsorted(breaks, closing)):
        return False  # a line ends inside a cell
    doubled = closing[:-1] + 1 == opening[1:]
    edges = np.zeros(256, np.bool_)
    edges[[ord(dialect.delimiter), _CR, _LF]] = True
    begins = (opening == 0) | edges[text[opening - 1]]
    begins[1:] |= doubled
    ends = (closing == len(text) - 1) | edges[text[(closing + 1) % len(text)]]
    ends[:-1] |= doubled
    return bool(begins.all() and ends.all())


def count_cells(lines: Lines, dialect: FileFormat) -> Positions:
    """Return how many cells each line has."""
    text = np.frombuffer(lines.data, np.uint8)
    delimiters = np.flatnonzero(text == ord(dialect.delimiter))
    if len(lines.quotes):
        delimiters = delimiters[~_is_inside(delimiters, lines.quotes)]
    return np.diff(np.searchsorted(delimiters, lines.starts)) + 1


def _is_inside(places: Positions, quotes: Positions) -> npt.NDArray[np.bool_]:
    """Tell for each place whether it stands between an opening and a closing quote."""
    first = np.searchsorted(places, quotes[0::2])
    after = np.searchsorted(places, quotes[1::2])
    holds = after > first
    steps = np.zeros(len(places) + 1, np.int8)
    steps[first[holds]] += 1
    steps[after[holds]] -= 1
    inside: npt.NDArray[np.bool_] = np.cumsum(steps[:-1], dtype=np.int8) > 0
    return inside
