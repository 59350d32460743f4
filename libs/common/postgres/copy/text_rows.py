"""Write rows of a COPY in text format: for types whose binary form is not known here; compiled.

What a codec knows is read all the same, so that only what Postgres certainly takes goes along; cells of other types
go as they stand. A field ends with a tab, which the row's last one changes for a line feed.
"""

from typing import NamedTuple, TypeAlias

from libs.common.compiled.jit import compiled, inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
    Numbers,
    copy64,
    find_below_or_equal_to,
    repeated,
)
from libs.common.postgres.copy.column_limits import Columns, passes
from libs.common.postgres.copy.column_types import KIND, REQUIRED, SIZE
from libs.common.postgres.copy.fields import DOUBT, is_too_long, put_bytes_field
from libs.common.postgres.copy.kind_numbers import BYTES, JSONB, UUID
from libs.common.postgres.copy.shaping import (
    IS_PLAIN,
    MaybeShaping,
    put_plain_form,
    put_same,
    read_cell,
)
from libs.common.postgres.copy.source_cells import Cell, SourceLines, is_null

LINE_DIGITS = 19
"""Line numbers have so many, with zeros before them, so that they can be cut off."""
_BACKSLASH, _TAB, _LF, _CR = (ord(letter) for letter in "\\\t\n\r")
_N, _LETTER_T, _LETTER_N, _LETTER_R, _ZERO = (ord(letter) for letter in "Ntnr0")
_FIRST_PLAIN = 14
"""Tab and the line ends are below."""


class TextForm(NamedTuple):
    """Says that rows are text; compiled code without it is a program of its own."""

    is_text: Number


MaybeTextForm: TypeAlias = TextForm | None


@inlined
def _letter_of(byte: Number) -> Number:
    """Return what stands behind a backslash for a byte, 0 for one that stands for itself."""
    if byte == _BACKSLASH:
        return _BACKSLASH
    if byte == _TAB:
        return _LETTER_T
    if byte == _LF:
        return _LETTER_N
    return _LETTER_R if byte == _CR else 0


@inlined
def _put_byte(out: Bytes, at: Number, byte: Number) -> Number:
    """Write a byte, behind a backslash where COPY would take it for a mark; return its end."""
    letter = _letter_of(byte)
    if letter != 0:
        out[at] = _BACKSLASH
        out[at + 1] = letter
        return at + 2
    out[at] = byte
    return at + 1


@inlined
def _put_undoubled(source: SourceLines, cell: Cell, out: Bytes, at: Number) -> Number:
    """Write a text, each doubled quote as one; return its end."""
    place = cell.begin
    while place < cell.end:
        at = _put_byte(out, at, source.text[place])
        place += 2 if source.text[place] == source.quote else 1
    return at


@inlined
def _put_escaped(source: SourceLines, cell: Cell, out: Bytes, at: Number) -> Number:
    """Write a text; return its end."""
    if cell.doubled:
        return _put_undoubled(source, cell, out, at)
    text, place = source.text, cell.begin
    bound, backslashes = repeated(_FIRST_PLAIN), repeated(_BACKSLASH)
    while place < cell.end:
        stop = find_below_or_equal_to(text, place, cell.end, bound, backslashes)
        start = at - place
        while place < stop:
            copy64(text, place, out, start + place)
            place += 8
        at, place = start + stop, stop
        if place < cell.end:
            at = _put_byte(out, at, text[place])
            place += 1
    return at


@inlined
def _end_field(out: Bytes, end: Number) -> Number:
    """Write the end of a field."""
    out[end] = _TAB
    return end + 1


@inlined
def _put_value(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    column: Number,
    cell: Cell,
    out: Bytes,
    at: Number,
) -> tuple[Number, Number]:
    """Write a cell that is one number in its plain form; return what `put_text_cell` does."""
    if cell.begin == cell.end:
        return DOUBT, False
    is_certain, value, _ = read_cell(source, columns, shaping, column, cell, out, at)
    if not is_certain:
        return DOUBT, False
    end = IS_PLAIN
    if shaping is not None:
        end = put_plain_form(source, columns, shaping, column, cell, out, at)
    if end < 0:
        end = _put_escaped(source, cell, out, at)
    return _end_field(out, end), not passes(columns, column, value)


@inlined
def put_text_cell(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    column: Number,
    cell: Cell,
    out: Bytes,
    at: Number,
) -> tuple[Number, Number]:
    """Write a cell as a field; return its end or that it is one to check, and whether a constraint may refuse it."""
    kind = columns.codecs[column, KIND]
    if is_null(source, cell):
        out[at] = _BACKSLASH
        out[at + 1] = _N
        return _end_field(out, at + 2), columns.codecs[column, REQUIRED] != 0
    if kind <= JSONB:
        is_doubtful = is_too_long(source, cell, columns.codecs[column, SIZE])
    elif kind in (UUID, BYTES):
        is_doubtful = put_bytes_field(source.text, cell, kind, out, at) < 0
    else:
        return _put_value(source, columns, shaping, column, cell, out, at)
    if is_doubtful:
        return DOUBT, False
    return _end_field(out, _put_escaped(source, cell, out, at)), False


@inlined
def put_line_number(out: Bytes, at: Number, line: Number) -> Number:
    """Write a line number as a field; return its end."""
    for place in range(LINE_DIGITS):
        out[at + LINE_DIGITS - 1 - place] = _ZERO + line % 10
        line //= 10
    return _end_field(out, at + LINE_DIGITS)


@inlined
def put_added_texts(shaping: MaybeShaping, line: Number, out: Bytes, at: Number) -> Number:
    """Write the added fields of a line; return their end."""
    if shaping is None:
        return at
    at = put_same(shaping, out, at)
    for _ in shaping.line_sizes:
        at = put_line_number(out, at, shaping.first_line + line)
    return at


@inlined
def end_row(out: Bytes, at: Number) -> None:
    """Make the end of the row's last field that of the row."""
    out[at - 1] = _LF


@compiled
def select_texts(rows: Bytes, begins: Numbers, ends: Numbers, cut: Number, out: Bytes) -> None:
    """Copy rows one after the other, without their last `cut` bytes; no array needs slack."""
    at = 0
    for row in range(len(begins)):
        for place in range(begins[row], ends[row] - cut):
            out[at] = rows[place]
            at += 1
        out[at - 1] = _LF
