"""Mark the lines of a block that is certainly one record a line; compiled.

Certain means: no NUL, no blank line, line ends all of one kind, and each quote either opens a cell, closes one, or is
doubled inside of one that ends on its line. The bytes are read eight at a time.
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
UNCERTAIN = -1
_FIRST_PLAIN = 14
"""NUL and the line ends are below."""


class Signs(NamedTuple):
    """The bytes that a dialect gives a meaning to; a sign of line ends that is data in its files is `plain`."""

    delimiter: Number
    quote: Number
    newline: Number
    plain: Number


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
def _skip_quoted(text: Bytes, opening: Number, size: Number, signs: Signs) -> Number:
    """Return what follows a quoted cell that begins here, or -1 where it does not end on its line."""
    place = _find_special(text, opening + 1, size, signs)
    while place < size and text[place] == signs.quote:
        if place + 1 >= size or text[place + 1] != signs.quote:
            return place + 1
        place = _find_special(text, place + 2, size, signs)
    return UNCERTAIN


@inlined
def _find_end(text: Bytes, begin: Number, size: Number, signs: Signs) -> Number:
    """Return where the line that begins here ends, or -1 when it is not certainly a record."""
    place = _find_special(text, begin, size, signs)
    while place < size and text[place] == signs.quote:
        if place > begin and text[place - 1] != signs.delimiter:
            return UNCERTAIN
        after = _skip_quoted(text, place, size, signs)
        if after < 0:
            return UNCERTAIN
        place = _find_special(text, after, size, signs)
        if place != after and text[after] != signs.delimiter:
            return UNCERTAIN
    return UNCERTAIN if place < size and text[place] == 0 else place


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
            return UNCERTAIN, 0  # no record, or a blank line
        count += 1
        if end == size:
            ending = max(ending, 1)
            place = size + ending
            break
        found = measure_end(text, end, size, signs.newline)
        if found < 0 or ending not in (0, found):
            return UNCERTAIN, 0
        ending = found
        place = end + found
    starts[count] = place
    return count, ending
