"""Copy chosen tuples of a binary COPY; compiled."""

from libs.common.compiled.jit import compiled
from libs.common.compiled.words import (
    Bytes,
    Number,
    Numbers,
    put16,
)


@compiled
def select_tuples(
    tuples: Bytes, begins: Numbers, ends: Numbers, cut: Number, fields: Number, out: Bytes
) -> None:
    """Copy tuples one after the other, without their last `cut` bytes, as tuples of `fields`; no array needs slack."""
    at = 0
    for row in range(len(begins)):
        begin, end = begins[row], ends[row] - cut
        put16(out, at, fields)
        at += 2
        for place in range(begin + 2, end):
            out[at] = tuples[place]
            at += 1
