"""Write fields of a binary COPY: their length in four bytes, then their bytes; compiled.

A writer returns the field's end, or `DOUBT` where the cell is one that Postgres must check.
"""

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
    copy64,
    put16,
    put32,
    put64,
)
from libs.common.postgres.copy.byte_values import put_hex, put_uuid
from libs.common.postgres.copy.kind_numbers import JSONB, UUID
from libs.common.postgres.copy.source_cells import Cell, SourceLines

DOUBT, LATE = -1, -2
"""What became of a cell, where it is not the end of its field."""


@inlined
def _count_characters(text: Bytes, begin: Number, end: Number) -> Number:
    """Count the characters of UTF-8."""
    count = 0
    for place in range(begin, end):
        count += (text[place] & 0xC0) != 0x80
    return count


@inlined
def is_too_long(source: SourceLines, cell: Cell, most: Number) -> Number:
    """Return whether a text has more characters than `most`, 0 for any number."""
    if most == 0 or cell.end - cell.begin - cell.doubled <= most:
        return False
    return _count_characters(source.text, cell.begin, cell.end) - cell.doubled > most


@inlined
def _put_text(source: SourceLines, cell: Cell, out: Bytes, at: Number) -> Number:
    """Store a text, each doubled quote as one; return its end."""
    text, place = source.text, cell.begin
    if not cell.doubled:
        while place < cell.end:
            copy64(text, place, out, at + place - cell.begin)
            place += 8
        return at + cell.end - cell.begin
    while place < cell.end:
        out[at] = text[place]
        at += 1
        place += 2 if text[place] == source.quote else 1
    return at


@inlined
def put_text_field(
    source: SourceLines, cell: Cell, kind: Number, most: Number, out: Bytes, at: Number
) -> Number:
    """Store a text or a document; return the field's end, or that it is one to check where it is too long."""
    if is_too_long(source, cell, most):
        return DOUBT
    start = at + 4
    if kind == JSONB:
        out[start] = 1  # jsonb_recv's version
        start += 1
    end = _put_text(source, cell, out, start)
    put32(out, at, end - at - 4)
    return end


@inlined
def put_bytes_field(text: Bytes, cell: Cell, kind: Number, out: Bytes, at: Number) -> Number:
    """Store a UUID, or bytes in their hex form; return the field's end, or that it is one to check."""
    begin, end = cell.begin, cell.end
    if kind == UUID:
        stop = put_uuid(text, begin, end, out, at + 4)
    elif end - begin >= 2 and text[begin] == 92 and text[begin + 1] == 120:  # backslash and x
        stop = put_hex(text, begin + 2, end, out, at + 4)
    else:
        return DOUBT
    if stop < 0:
        return DOUBT
    put32(out, at, stop - at - 4)
    return stop


@inlined
def put_number(out: Bytes, at: Number, size: Number, value: Number) -> Number:
    """Store a field of one number of 1, 2, 4 or 8 bytes; return its end."""
    put32(out, at, size)
    if size == 8:
        put64(out, at + 4, value)
    elif size == 4:
        put32(out, at + 4, value)
    elif size == 2:
        put16(out, at + 4, value)
    else:
        out[at + 4] = value
    return at + 4 + size
