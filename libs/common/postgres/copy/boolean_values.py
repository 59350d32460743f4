"""Read the spellings of true and false; compiled."""

import numpy as np

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
    load64,
)
from libs.common.postgres.copy.digits import ZERO, U


def _spelt(word: str) -> np.uint64:
    """Return a word of up to eight letters as it is loaded."""
    return U(int.from_bytes(word.encode(), "little"))


_TRUE, _YES, _ON = _spelt("true"), _spelt("yes"), _spelt("on")
_FALSE, _NO, _OFF = _spelt("false"), _spelt("no"), _spelt("off")
_T1, _Y1, _F1, _N1 = _spelt("t"), _spelt("y"), _spelt("f"), _spelt("n")
_SMALL = U(0x2020202020202020)


@inlined
def read_boolean(text: Bytes, begin: Number, end: Number) -> tuple[bool, Number]:
    """Read the common spellings, whatever their case."""
    size = end - begin
    if size > 5:
        return False, 0
    if size == 1 and (text[begin] == ZERO or text[begin] == ZERO + 1):
        return True, np.int64(text[begin]) - ZERO
    mask = U(0xFFFFFFFFFFFFFFFF) >> U(64 - 8 * size)
    word = (load64(text, begin) | _SMALL) & mask
    is_true = word in (_TRUE, _YES, _ON, _T1, _Y1)
    is_false = word in (_FALSE, _NO, _OFF, _F1, _N1)
    return is_true or is_false, 1 if is_true else 0
