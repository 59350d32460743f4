"""Read decimal numbers as floats, where Postgres can read nothing else in them; compiled.

The reader gets a text and the places where the cell begins and ends (not empty), and returns whether it is certain of
the value, and the bits of the value.
"""

import numpy as np

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
    bits_of_double,
    bits_of_single,
)
from libs.common.postgres.copy.column_types import MOST_DIGITS
from libs.common.postgres.copy.digits import COLON, MINUS, POINT, ZERO, read_digits, skip_sign

_EXACT = np.array([10.0**k for k in range(23)], np.float64)
"""The powers of ten that a double holds exactly."""
_E, _SMALL_E = ord("E"), ord("e")


@inlined
def _read_exponent(text: Bytes, begin: Number, end: Number) -> tuple[bool, Number]:
    """Read ``e`` and a small number, or nothing."""
    if begin == end:
        return True, 0
    if (text[begin] != _E and text[begin] != _SMALL_E) or end - begin < 2:
        return False, 0
    first = skip_sign(text, begin + 1)
    if end - first > 3:
        return False, 0
    value = read_digits(text, first, end - first)
    return value >= 0, -value if text[begin + 1] == MINUS else value


@inlined
def read_float(text: Bytes, begin: Number, end: Number, size: Number) -> tuple[bool, Number]:
    """Read a decimal number as the bits of the nearest float of 4 or 8 bytes.

    A whole number below 2^53 and a power of ten up to 10^22 are exact as doubles, so one product or quotient of them is
    rounded once (W. Clinger, How to read floating point numbers accurately). Rounding that again to four bytes is
    right unless the double stands in the middle between two of them.
    """
    place = skip_sign(text, begin)
    value, seen, decimals, has_point = np.int64(0), 0, 0, False
    while place < end:
        byte = np.int64(text[place])
        if byte == POINT and not has_point:
            has_point = True
        elif ZERO <= byte < COLON:
            value = value * 10 + byte - ZERO
            seen += 1
            decimals += has_point
        else:
            break
        place += 1
    is_exponent, exponent = _read_exponent(text, place, end)
    exponent -= decimals
    if not is_exponent or seen == 0 or seen > MOST_DIGITS or value >= 1 << 53:
        return False, 0
    if exponent < -22 or exponent > 22:
        return False, 0
    number: Number = np.float64(value)
    number = number / _EXACT[-exponent] if exponent < 0 else number * _EXACT[exponent]
    if text[begin] == MINUS:
        number = -number
    bits = bits_of_double(number)
    if size == 8:
        return True, bits
    return bits & 0x1FFFFFFF != 0x10000000, bits_of_single(np.float32(number))
