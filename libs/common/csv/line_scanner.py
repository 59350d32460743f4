"""Find the records of a block at once where each is certain, most a line: the quick look before `framing`.

    bytes ──lines──► where each record begins ──► the planner's chunks, the loader's tuples
               └── anything uncommon ──► frames, record by record

`line_marks` says what is certain; a backslash that is an escape may stand before anything but a line end or for a NUL.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np

from libs.common.compiled.words import SLACK, Bytes, Numbers
from libs.common.csv.dialect import FileFormat
from libs.common.csv.escaped_lines import QuotedLines, quote_lines
from libs.common.csv.line_marks import CR, LF, Signs, count_bytes, mark_lines
from libs.common.csv.skipped_records import Skip, SkippedRecords

_NO_BYTE = 256
_WITH_FEEDS = frozenset({"crlf", "cr"})
"""With these an LF that is no part of a CRLF is data, in quotes or not."""

Positions: TypeAlias = Numbers
"""Offsets in a block, ascending."""

ESCAPED_NULL = b"\\N"
"""A cell that is NULL where the dialect has escapes."""
_ENDINGS = {"lf": (1,), "crlf": (2,), "cr": ()}
"""Where lines end at LF, how long the ends are that are common to a `line_end`; a last line without one counts as 1."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a block, each a record: line `i` (from 0) is `data[starts[i]:starts[i + 1] - ending]`.

    `ending` is the length of a line end, 1 or 2 bytes; a last line without one counts as if it had it. `newline` is
    the end itself, of lines that end at LF or CRLF perhaps its last byte. `quoted` are the same lines with quotes
    instead of escapes, where there are any of these. Where cells hold line ends, `numbers` tells on which line of the
    block each record begins, from 0, and one after the last would.
    """

    data: bytes
    starts: Positions
    ending: int
    newline: bytes = b"\n"
    quoted: Self | None = None
    numbers: Positions | None = None

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.starts) - 1

    @property
    def ends(self) -> int:
        """Return the number of line ends: the last line may have none."""
        lines = len(self) if self.numbers is None else int(self.numbers[-1])
        return lines - int(self.starts[-1] > len(self.data))

    def number(self, records: Positions) -> Positions:
        """Return on which lines of the block, from 0, some records begin."""
        return records if self.numbers is None else self.numbers[records]

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


def find_lines(
    data: bytes, dialect: FileFormat, newline: bytes = b"\n", *, may_go_on: bool = False
) -> Lines | None:
    """Return the lines of whole records, or None when not all are certain.

    They end at `newline`: LF, also of CRLF, CRLF alone, or CR. Where more bytes `may_go_on` a last record is left out
    of their `data` whose quoted cell is not over.
    """
    delimiter = dialect.byte_delimiter
    if not data or delimiter is None or (dialect.quote is None and b"\0" in data):
        return None
    text, size = with_slack(data), len(data)
    starts, numbers = np.empty((2, count_bytes(text, newline[-1]) + 2), np.int64)
    data_byte = LF if dialect.line_end in _WITH_FEEDS else _NO_BYTE
    # A comment ends with its line, quotes or not.
    has_lines = newline == b"\n" and data_byte != LF and dialect.comment is None
    signs = Signs(delimiter, quote_byte(dialect), newline[-1], data_byte, has_lines)
    quoted = None
    if dialect.escape is not None and dialect.escape.encode() in data:
        quoted = QuotedLines(np.empty(2 * size + 2 * SLACK, np.uint8), np.empty_like(starts))
        count, ending = quote_lines(text, size, signs, dialect.quoted_null, starts, quoted)
    else:
        count, ending = mark_lines(text, size, signs, may_go_on, starts, numbers)
    endings = (1,) if newline == b"\r" else _ENDINGS.get(dialect.line_end, (1, 2))
    if count <= 0 or ending not in endings:
        return None
    lines = Lines(data[: starts[count]], starts[: count + 1], ending, newline)
    if quoted is None:
        has_more = numbers[count] > count
        return replace(lines, numbers=numbers[: count + 1]) if has_more else lines
    without = quoted.starts[: count + 1]
    return replace(lines, quoted=Lines(quoted.text[: without[-1]].tobytes(), without, ending))


def quote_byte(dialect: FileFormat) -> int:
    """Return the quote for compiled functions: a NUL, which no certain line holds, where there is none."""
    return 0 if dialect.quote is None else ord(dialect.quote)


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
            second, [*skips.blank_bytes, CR, LF]
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


def warm_up() -> None:
    """Compile what is needed here, or find it where it is kept; a process forked from this one has it then."""
    find_lines(b"1\n", FileFormat())
    find_lines(b"\\N\n", FileFormat(escape="\\"))
