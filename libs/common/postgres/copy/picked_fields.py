"""Take fields of binary COPY tuples, and read the tuples that a COPY has sent; compiled.

The protocol is that of PostgreSQL's documentation of COPY, see `libs.common.postgres.copy.lines`.
"""

from collections.abc import Sequence

import numpy as np

from libs.common.compiled.jit import compiled, inlined
from libs.common.compiled.words import SLACK, Bytes, Number, Numbers, put16, put32
from libs.common.postgres.copy.row_forms import BINARY, HEADER, TRAILER
from libs.common.postgres.copy.rows import Rows

_COUNT, _LENGTH, _NUMBER = 2, 4, 8
"""Bytes of a tuple's count of fields, of a field's length, and of a number of four bytes with its length."""


_LEAST = _COUNT + _NUMBER + _LENGTH
"""Bytes of the shortest tuple of a number and a text."""


def pick_fields(rows: Rows, places: Sequence[int]) -> bytes:
    """Return rows of some of their fields (from 0), each at most once, and of the row's own number (int4, from 0)."""
    if len(set(places)) < len(places):
        raise ValueError(f"a field is asked for twice: {places}")
    size = int((rows.ends - rows.begins).sum()) + _NUMBER * len(rows)
    out = np.empty(size + SLACK, np.uint8)
    tuples = np.frombuffer(rows.copied, np.uint8)
    end = _pick_fields(tuples, rows.begins, np.array(places, np.int64), out)
    return b"".join((HEADER, out[:end].data, TRAILER))


def read_numbered_texts(data: bytes, count: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return the numbers (int4) of so many tuples that a COPY has sent, and where the text of each begins and ends."""
    found = np.empty((3, count), np.int64)
    end = _read_numbered_texts(np.frombuffer(data, np.uint8), len(HEADER), found)
    if end + len(TRAILER) != len(data):
        raise RuntimeError(f"a COPY of {len(data)} bytes should have ended at {end}")
    return found[0], found[1], found[2]


@inlined
def _length(tuples: Bytes, at: Number) -> Number:
    """Return the number of four bytes at a place; that of NULL has no bytes of its own."""
    length = np.int64(0)
    for place in range(at, at + _LENGTH):
        length = (length << 8) | np.int64(tuples[place])
    return length if length < 1 << 31 else np.int64(0)


@inlined
def _put_field(tuples: Bytes, at: Number, place: Number, out: Bytes, end: Number) -> Number:
    """Copy the field at a place of the tuple whose fields begin at `at`; return where it ends in `out`."""
    for _ in range(place):
        at += _LENGTH + _length(tuples, at)
    for byte in range(at, at + _LENGTH + _length(tuples, at)):
        out[end] = tuples[byte]
        end += 1
    return end


@compiled
def _pick_fields(tuples: Bytes, begins: Numbers, places: Numbers, out: Bytes) -> Number:
    """Write what `pick_fields` says; return where it ends."""
    end = 0
    for row in range(len(begins)):
        put16(out, end, len(places) + 1)
        end += _COUNT
        for place in places:
            end = _put_field(tuples, begins[row] + _COUNT, place, out, end)
        put32(out, end, 4)
        put32(out, end + _LENGTH, row)
        end += _NUMBER
    return end


@compiled
def _read_numbered_texts(data: Bytes, at: Number, found: Numbers) -> Number:
    """Fill in number, begin and end of each tuple; return where the last one ends, 0 where there are fewer."""
    for row in range(found.shape[1]):
        if at + _LEAST > len(data):
            return 0
        found[0, row] = _length(data, at + _COUNT + _LENGTH)
        at += _COUNT + _NUMBER
        found[1, row] = at + _LENGTH
        at += _LENGTH + _length(data, at)
        found[2, row] = at
    return at


def warm_up() -> None:
    """Compile what is needed here, or find it where it is kept; a process forked from this one has it then."""
    nothing = np.empty(0, np.int64)
    pick_fields(Rows(HEADER, nothing, nothing, nothing, 1, form=BINARY, has_lines=False), [0])
    read_numbered_texts(HEADER + TRAILER, 0)
