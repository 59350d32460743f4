"""Write the bytes that UUIDs and hexadecimal digits stand for; compiled."""

import numpy as np

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
)
from libs.common.postgres.copy.digits import MINUS

_HEX = np.full(256, 255, np.uint8)
for _value, _character in [(int(c, 16), c) for c in "0123456789abcdefABCDEF"]:
    _HEX[ord(_character)] = _value


@inlined
def put_hex(text: Bytes, begin: Number, end: Number, out: Bytes, at: Number) -> Number:
    """Store the bytes that pairs of hexadecimal digits stand for; return their end, or -1 if one is no such digit."""
    if (end - begin) & 1:
        return -1
    for place in range(begin, end, 2):
        high, low = _HEX[text[place]], _HEX[text[place + 1]]
        if high > 15 or low > 15:
            return -1
        out[at] = high << 4 | low
        at += 1
    return at


@inlined
def put_uuid(text: Bytes, begin: Number, end: Number, out: Bytes, at: Number) -> Number:
    """Store the bytes of a UUID as it is commonly written; return their end, or -1."""
    if end - begin != 36:
        return -1
    for dash in (8, 13, 18, 23):
        if text[begin + dash] != MINUS:
            return -1
    for first, last in ((0, 8), (9, 13), (14, 18), (19, 23), (24, 36)):
        at = put_hex(text, begin + first, begin + last, out, at)
        if at < 0:
            return -1
    return at
