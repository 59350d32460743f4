"""Mark where the records of a block begin, if all of them are certain; compiled.

Certain means: no NUL, no blank line, ends of records all of one kind, and each quote either opens a cell, closes one,
or is doubled inside of one. A quoted cell ends on its line, but where LFs end lines: there it may hold line ends. The
bytes are read eight at a time.
"""

from typing import NamedTuple

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

CR, LF = 13, 10
UNCERTAIN, OPEN = -1, -2
"""What stands for the end of a record that is not certain, and of one whose quoted cell goes on behind the bytes."""
_FIRST_PLAIN = 14
"""NUL and the line ends are below."""


class Signs(NamedTuple):
    """The bytes that a dialect gives a meaning to; a sign of line ends that is data in its files is `plain`.

    `has_lines`: a quoted cell may hold line ends, which are LFs.
    """

    delimiter: Number
    quote: Number
    newline: Number
    plain: Number
    has_lines: Number


@inlined
def is_special(byte: Number, signs: Signs) -> Number:
    """Return whether a byte is a quote, a sign of line ends or a NUL; the quote may be a control character too."""
    if byte == signs.plain:
        return False
    return byte in (signs.quote, LF, CR, 0)


@inlined
def _find_special(text: Bytes, place: Number, size: Number, signs: Signs) -> Number:
    """Return where the next quote, line end or NUL is, or `size`."""
    quotes = repeated(signs.quote)
    place = find_below_or_equal_to(text, place, size, repeated(_FIRST_PLAIN), quotes)
    while place < size and not is_special(text[place], signs):
        place = find_below_or_equal_to(text, place + 1, size, repeated(_FIRST_PLAIN), quotes)
    return place


@inlined
def _skip_quoted(text: Bytes, opening: Number, size: Number, signs: Signs) -> tuple[Number, Number]:
    """Return what follows a quoted cell that begins here, or a negative number, and how many lines end in it."""
    feeds = 0
    place = _find_special(text, opening + 1, size, signs)
    while place < size:
        byte = text[place]
        if byte == signs.quote:
            if place + 1 >= size or text[place + 1] != signs.quote:
                return place + 1, feeds
            place += 1
        elif byte == 0 or not signs.has_lines:
            return UNCERTAIN, feeds
        elif byte == LF:
            feeds += 1
        place = _find_special(text, place + 1, size, signs)
    return OPEN, feeds


@inlined
def _find_end(text: Bytes, begin: Number, size: Number, signs: Signs) -> tuple[Number, Number]:
    """Return where the record that begins here ends, or a negative number, and how many lines end in its cells."""
    feeds = 0
    place = _find_special(text, begin, size, signs)
    while place < size and text[place] == signs.quote:
        if place > begin and text[place - 1] != signs.delimiter:
            return UNCERTAIN, feeds
        after, more = _skip_quoted(text, place, size, signs)
        feeds += more
        if after < 0:
            return after, feeds
        place = _find_special(text, after, size, signs)
        if place != after and text[after] != signs.delimiter:
            return UNCERTAIN, feeds
    return UNCERTAIN if place < size and text[place] == 0 else place, feeds


@compiled
def count_bytes(text: Bytes, byte: Number) -> Number:
    """Count a byte in a text that ends with `SLACK` others."""
    return count_equal(text, len(text) - SLACK, repeated(byte))


@inlined
def measure_end(text: Bytes, end: Number, size: Number, newline: Number) -> Number:
    """Return the length of the line end that begins at `end`, or -1 where it is none that is certain."""
    is_pair = end + 1 < size and text[end] == CR and text[end + 1] == LF
    if text[end] == newline:
        return UNCERTAIN if is_pair else 1
    return 2 if is_pair else UNCERTAIN


@compiled
def mark_lines(
    text: Bytes, size: Number, signs: Signs, may_go_on: Number, starts: Numbers, numbers: Numbers
) -> tuple[Number, Number]:
    """Write where each record of ``text[:size]`` begins and on which line, from 0, and where one after the last would.

    Returns how many records there are, -1 when not each is certain, and the length of a line end. Where more bytes
    `may_go_on` a record whose quoted cell is not over counts as the one after the last.
    """
    place = count = line = 0
    ending = 0
    while place < size:
        starts[count], numbers[count] = place, line
        end, feeds = _find_end(text, place, size, signs)
        if end == OPEN and may_go_on:
            break
        if end <= place:
            return UNCERTAIN, 0  # no record, or a blank line
        count, line = count + 1, line + 1 + feeds
        if end == size:
            ending = max(ending, 1)
            place = size + ending
            break
        found = measure_end(text, end, size, signs.newline)
        if found < 0 or ending not in (0, found):
            return UNCERTAIN, 0
        ending = found
        place = end + found
    starts[count], numbers[count] = place, line
    return count, ending
