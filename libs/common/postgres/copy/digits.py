"""Read digits, eight at a time where they are adjacent, and signs; compiled."""

import numpy as np

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
    load64,
)
from libs.common.postgres.copy.column_types import MOST_DIGITS

U = np.uint64
POWERS = np.array([10**k for k in range(MOST_DIGITS + 1)], np.int64)
MINUS, PLUS, POINT, SPACE, T, Z, COLON, ZERO = (ord(c) for c in "-+. TZ:0")


@inlined
def _few_digits(word: Number, count: Number) -> Number:
    """Return the number of one to eight digits, the lowest bytes of a word; -1 if one is no digit."""
    shift = U(8 * (8 - count))
    pairs = (word << shift) ^ (U(0x3030303030303030) << shift)
    if ((pairs + U(0x0606060606060606)) | pairs) & U(0xF0F0F0F0F0F0F0F0) != U(0):
        return -1
    pairs = (pairs * U(10) + (pairs >> U(8))) & U(0x00FF00FF00FF00FF)
    fours = (pairs * U(100) + (pairs >> U(16))) & U(0x0000FFFF0000FFFF)
    return np.int64((fours * U(10_000) + (fours >> U(32))) & U(0xFFFFFFFF))


@inlined
def read_digits(text: Bytes, begin: Number, count: Number) -> Number:
    """Return the number of some digits; -1 if one is no digit, or if they are none or too many."""
    if count <= 0 or count > MOST_DIGITS:
        return -1
    value = 0
    while count > 0:
        some = min(count, 8)
        part = _few_digits(load64(text, begin), some)
        if part < 0:
            return -1
        value = value * POWERS[some] + part
        begin += some
        count -= some
    return value


@inlined
def skip_sign(text: Bytes, begin: Number) -> Number:
    """Return where the number behind an optional sign begins."""
    return begin + 1 if text[begin] == MINUS or text[begin] == PLUS else begin
