"""Read integers and numerics, and write numerics, where Postgres can read nothing else in them; compiled.

A reader gets a text and the places where the cell begins and ends (not empty), and returns whether it is certain of the
value, and the value.
"""

import numpy as np

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
    find,
    put16,
    put32,
    repeated,
)
from libs.common.postgres.copy.column_types import MOST_DIGITS
from libs.common.postgres.copy.digits import MINUS, POINT, POWERS, ZERO, U, read_digits, skip_sign

_LARGEST = 2**63 - 1


@inlined
def read_integer(text: Bytes, begin: Number, end: Number, size: Number) -> tuple[bool, Number]:
    """Read an optional sign and digits as an integer of `size` bytes."""
    first, last = skip_sign(text, begin), 0
    has_more = end - first == MOST_DIGITS + 1
    if has_more:
        end -= 1
        last = read_digits(text, end, 1)
    value = read_digits(text, first, end - first)
    if value < 0 or last < 0:
        return False, 0
    if has_more:
        if value >= _LARGEST // 10:
            return False, 0
        value = value * 10 + last
    if text[begin] == MINUS:
        value = -value
    limit = 1 << (8 * size - 1) if size < 8 else _LARGEST
    return -limit <= value < limit, value


@inlined
def read_numeric(text: Bytes, begin: Number, end: Number, scale: Number) -> tuple[bool, Number]:
    """Read digits with an optional point as a number of units of the scale; half a unit rounds away from zero."""
    first = skip_sign(text, begin)
    point = find(text, first, end, repeated(POINT))
    whole, behind = point - first, max(end - point - 1, 0)
    if whole + behind == 0 or whole + scale > MOST_DIGITS:
        return False, 0
    value = read_digits(text, first, whole) if whole else 0
    taken = min(behind, scale)
    below = read_digits(text, point + 1, taken) if taken else 0
    if value < 0 or below < 0:
        return False, 0
    value = value * POWERS[scale] + below * POWERS[scale - taken]
    for place in range(point + 1 + taken, end):
        digit = np.int64(text[place]) - ZERO
        if digit < 0 or digit > 9:
            return False, 0
        if place == point + 1 + taken and digit >= 5:
            value += 1
    return True, -value if text[begin] == MINUS else value


@inlined
def count_decimals(text: Bytes, begin: Number, end: Number) -> Number:
    """Return how many bytes stand behind the point of a number."""
    return max(end - find(text, begin, end, repeated(POINT)) - 1, 0)


@inlined
def put_numeric(out: Bytes, at: Number, value: Number, scale: Number) -> Number:
    """Store a number of units of the scale as a numeric field (numeric_send in utils/adt/numeric.c); return its end.

    Its digits are groups of four, those before the point and those behind it, without zeros at either end.
    """
    size = U(-value if value < 0 else value)
    behind = (scale + 3) >> 2
    unit = U(POWERS[scale])
    whole = size // unit
    below = (size - whole * unit) * U(POWERS[(behind << 2) - scale])
    while behind > 0 and below % U(10_000) == U(0):
        below //= U(10_000)
        behind -= 1
    before, rest = 0, whole
    while rest > U(0):
        rest //= U(10_000)
        before += 1
    groups = before + behind
    end = at + 12 + 2 * groups
    place = end
    for _ in range(behind):
        place -= 2
        put16(out, place, np.int64(below % U(10_000)))
        below //= U(10_000)
    for _ in range(before):
        place -= 2
        put16(out, place, np.int64(whole % U(10_000)))
        whole //= U(10_000)
    put32(out, at, 8 + 2 * groups)
    put16(out, at + 4, groups)
    put16(out, at + 6, before - 1)
    put16(out, at + 8, 0x4000 if value < 0 else 0)
    put16(out, at + 10, scale)
    return end
