"""Find the lines of a block at once where each is certainly one record: the quick look before `framing`.

    bytes ──lines──► where each record begins ──► the planner's chunks, the loader's tuples
               └── anything uncommon ──► frames, record by record

Certain means: no NUL, no blank line, line ends all LF, all CRLF or all CR, and each quote either opens a cell, closes
one, or is doubled inside of one that ends on its line; a backslash that is an escape makes a whole cell NULL. Compiled:
the bytes are read eight at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from libs.common.compiled.jit import compiled, inlined
from libs.common.compiled.words import (
    SLACK,
    Bytes,
    Number,
    Numbers,
    count_equal,
    find_below_or_equal_to,
    repeated,
)
from libs.common.csv.dialect import FileFormat
from libs.common.csv.skipped_records import Skip, SkippedRecords

_NO_BYTE = 256
_WITH_FEEDS = frozenset({"crlf", "cr"})
"""With these an LF that is no part of a CRLF is data, in quotes or not."""

Positions: TypeAlias = Numbers
"""Offsets in a block, ascending."""

_CR, _LF = 13, 10
_UNCERTAIN = -1
_BACKSLASH = b"\\"
ESCAPED_NULL = b"\\N"
"""A cell that is NULL where the dialect has escapes."""
_FIRST_PLAIN = 14
"""NUL and the line ends are below."""
_ENDINGS = {"lf": (1,), "crlf": (2,), "cr": ()}
"""Where lines end at LF, how long the ends are that are common to a `line_end`; a last line without one counts as 1."""


class Signs(NamedTuple):
    """The bytes that a dialect gives a meaning to; a sign of line ends that is data in its files is `plain`."""

    delimiter: Number
    quote: Number
    newline: Number
    plain: Number


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a block: line `i` (from 0) is `data[starts[i]:starts[i + 1] - ending]`.

    `ending` is the length of a line end, 1 or 2 bytes; a last line without one counts as if it had it. `newline` is
    the end itself, of lines that end at LF or CRLF perhaps its last byte.
    """

    data: bytes
    starts: Positions
    ending: int
    newline: bytes = b"\n"

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.starts) - 1

    @property
    def ends(self) -> int:
        """Return the number of line ends: the last line may have none."""
        return len(self) - int(self.starts[-1] > len(self.data))

    def texts(self, places: Sequence[int] | Positions) -> tuple[list[int], list[bytes]]:
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


def find_lines(data: bytes, dialect: FileFormat, newline: bytes = b"\n") -> Lines | None:
    """Return the lines of whole records, or None when not each line is certainly one.

    They end at `newline`: LF, also of CRLF, CRLF alone, or CR.
    """
    delimiter = dialect.byte_delimiter
    if not data or delimiter is None or _holds_uncommon(data, dialect):
        return None
    text, size = with_slack(data), len(data)
    starts = np.empty(count_bytes(text, newline[-1]) + 2, np.int64)
    data_byte = _LF if dialect.line_end in _WITH_FEEDS else _NO_BYTE
    signs = Signs(delimiter, quote_byte(dialect), newline[-1], data_byte)
    count, ending = mark_lines(text, size, signs, starts)
    endings = (1,) if newline == b"\r" else _ENDINGS.get(dialect.line_end, (1, 2))
    if count <= 0 or ending not in endings:
        return None
    lines = Lines(data, starts[: count + 1], ending, newline)
    return lines if _has_only_nulls(lines, text, dialect) else None


def quote_byte(dialect: FileFormat) -> int:
    """Return the quote for compiled functions: a NUL, which no certain line holds, where there is none."""
    return 0 if dialect.quote is None else ord(dialect.quote)


def _holds_uncommon(data: bytes, dialect: FileFormat) -> bool:
    """Return whether there is what compiled functions do not know."""
    if dialect.quote is None and b"\0" in data:
        return True
    return dialect.escape is not None and data.count(_BACKSLASH) != data.count(ESCAPED_NULL)


def _has_only_nulls(lines: Lines, text: Bytes, dialect: FileFormat) -> bool:
    """Return whether each escape in lines makes a cell without quotes NULL; compiled functions know no other."""
    if dialect.escape is None or _BACKSLASH not in lines.data:
        return True
    delimiter, is_quote = ord(dialect.delimiter), text == quote_byte(dialect)
    at = np.flatnonzero(text == _BACKSLASH[0])
    after = at + len(ESCAPED_NULL)
    ends = np.isin(text[after], (delimiter, _CR, _LF)) | (after == len(lines.data))
    begins = (text[at - 1] == delimiter) | np.isin(at, lines.starts)
    quotes = np.cumsum(is_quote)
    line_starts = lines.starts[np.searchsorted(lines.starts, at, side="right") - 1]
    # A line is one record: behind an even number of its quotes a place is outside of them.
    before = quotes[at] - quotes[line_starts] + is_quote[line_starts]
    return bool((ends & begins & (before % 2 == 0)).all())


def find_skipped(lines: Lines, skips: SkippedRecords) -> dict[int, Skip]:
    """Return which lines of a block are no records, and why."""
    if not skips:
        return {}
    text, begins = np.frombuffer(lines.data, np.uint8), lines.starts[:-1]
    first, is_likely = text[begins], np.zeros(len(lines), np.bool_)
    if skips.comment:
        is_likely |= first == skips.comment[0]
    if skips.headers:
        lengths = np.diff(lines.starts) - lines.ending
        is_likely |= np.isin(lengths, [len(header) for header in skips.headers])
    if skips.blank_bytes:
        second = text[np.minimum(begins + 1, len(text) - 1)]
        is_likely |= np.isin(first, skips.blank_bytes) & np.isin(
            second, [*skips.blank_bytes, _CR, _LF]
        )
    likely = np.flatnonzero(is_likely)
    _, texts = lines.texts(likely)
    reasons = zip(likely.tolist(), map(skips.reason, texts), strict=True)
    return {line: reason for line, reason in reasons if reason is not None}


def with_slack(data: bytes) -> Bytes:
    """Return bytes for compiled functions, which may read a few beyond their end."""
    text = np.zeros(len(data) + SLACK, np.uint8)
    text[: len(data)] = np.frombuffer(data, np.uint8)
    return text


def count_ends(data: bytes, dialect: FileFormat, newline: bytes) -> int | None:
    """Return the number of line ends, or None when not each line is certainly one record."""
    lines = find_lines(data, dialect, newline)
    return None if lines is None else lines.ends


def warm_up() -> None:
    """Compile what is needed here, or find it where it is kept; a process forked from this one has it then."""
    find_lines(b"1\n", FileFormat())


@inlined
def _is_special(byte: Number, signs: Signs) -> Number:
    """Return whether a byte is a quote, a sign of line ends or a NUL; the quote may be a control character too."""
    if byte == signs.plain:
        return False
    return byte in (signs.quote, _LF, _CR, 0)


@inlined
def _find_special(text: Bytes, place: Number, size: Number, signs: Signs) -> Number:
    """Return where the next quote, line end or NUL is, or `size`."""
    quotes = repeated(signs.quote)
    place = find_below_or_equal_to(text, place, size, repeated(_FIRST_PLAIN), quotes)
    while place < size and not _is_special(text[place], signs):
        place = find_below_or_equal_to(text, place + 1, size, repeated(_FIRST_PLAIN), quotes)
    return place


@inlined
def _skip_quoted(text: Bytes, opening: Number, size: Number, signs: Signs) -> Number:
    """Return what follows a quoted cell that begins here, or -1 where it does not end on its line."""
    place = _find_special(text, opening + 1, size, signs)
    while place < size and text[place] == signs.quote:
        if place + 1 >= size or text[place + 1] != signs.quote:
            return place + 1
        place = _find_special(text, place + 2, size, signs)
    return _UNCERTAIN


@inlined
def _find_end(text: Bytes, begin: Number, size: Number, signs: Signs) -> Number:
    """Return where the line that begins here ends, or -1 when it is not certainly a record."""
    place = _find_special(text, begin, size, signs)
    while place < size and text[place] == signs.quote:
        if place > begin and text[place - 1] != signs.delimiter:
            return _UNCERTAIN
        after = _skip_quoted(text, place, size, signs)
        if after < 0:
            return _UNCERTAIN
        place = _find_special(text, after, size, signs)
        if place != after and text[after] != signs.delimiter:
            return _UNCERTAIN
    return _UNCERTAIN if place < size and text[place] == 0 else place


@compiled
def count_bytes(text: Bytes, byte: Number) -> Number:
    """Count a byte in a text that ends with `SLACK` others."""
    return count_equal(text, len(text) - SLACK, repeated(byte))


@inlined
def _measure_end(text: Bytes, end: Number, size: Number, newline: Number) -> Number:
    """Return the length of the line end that begins at `end`, or -1 where it is none that is certain."""
    is_pair = end + 1 < size and text[end] == _CR and text[end + 1] == _LF
    if text[end] == newline:
        return _UNCERTAIN if is_pair else 1
    return 2 if is_pair else _UNCERTAIN


@compiled
def mark_lines(text: Bytes, size: Number, signs: Signs, starts: Numbers) -> tuple[Number, Number]:
    """Write where each line of ``text[:size]`` begins, and where one after the last would.

    Returns how many lines there are, -1 when not each is certainly a record, and the length of a line end.
    """
    place = count = 0
    ending = 0
    while place < size:
        starts[count] = place
        end = _find_end(text, place, size, signs)
        if end <= place:
            return _UNCERTAIN, 0  # no record, or a blank line
        count += 1
        if end == size:
            ending = max(ending, 1)
            place = size + ending
            break
        found = _measure_end(text, end, size, signs.newline)
        if found < 0 or ending not in (0, found):
            return _UNCERTAIN, 0
        ending = found
        place = end + found
    starts[count] = place
    return count, ending
