"""Write the lines of a block as rows of a COPY, in one pass over their bytes; compiled.

    lines ──source_cells──► cells ──cell_values──► numbers ──fields──► tuples of a binary COPY
                                ├────────shaping───────┘
                                └──text_rows──► lines of a text COPY

Every line must certainly be one record (`libs.common.csv.line_scanner`). The protocol is that of PostgreSQL's
documentation of COPY: a count of fields, then for each its length (-1: NULL) and its bytes, as the types' ``send``
functions write them.
"""

from typing import NamedTuple

from libs.common.compiled.jit import compiled, inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
    Numbers,
    put16,
    put32,
)
from libs.common.postgres.copy.column_limits import Columns, passes
from libs.common.postgres.copy.column_types import (
    IS_UNREAD,
    KIND,
    REQUIRED,
    SIZE,
)
from libs.common.postgres.copy.fields import (
    DOUBT,
    LATE,
    put_bytes_field,
    put_number,
    put_text_field,
)
from libs.common.postgres.copy.kind_numbers import BYTES, FLOAT, JSONB, NUMERIC, UUID
from libs.common.postgres.copy.number_values import (
    put_numeric,
)
from libs.common.postgres.copy.shaping import (
    MaybeShaping,
    count_fields,
    is_left_out,
    may_be_late,
    put_added,
    read_cell,
)
from libs.common.postgres.copy.source_cells import Cell, SourceLines, find_cell, is_null
from libs.common.postgres.copy.text_rows import (
    MaybeTextForm,
    end_row,
    put_added_texts,
    put_line_number,
    put_text_cell,
)

ACCEPTED, MAY_VIOLATE, NEEDS_TYPE_CHECK = 0, -1, -2
"""What became of a line; a positive number is the count of cells of a line that has too few or too many."""


class EncodedTuples(NamedTuple):
    """What is written: tuples, and where that of each line begins, what became of the line, cells to be inspected.

    A cell to check is a line, a column, and where the cell begins and ends. A float that needs more care has a fifth
    number: the place of its bytes, -1 where the line is not certain.
    """

    tuples: Bytes
    begins: Numbers
    verdicts: Numbers
    type_check_cells: Numbers
    floats: Numbers


class CellPlace(NamedTuple):
    """Where a cell stands: its line in the block, and its place in that."""

    line: Number
    column: Number


class Extent(NamedTuple):
    """How much is written: where tuples end, and how many cells to check and floats that need more care there are."""

    at: Number
    doubtful: Number
    deferred_floats: Number


@inlined
def _put_cell(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    column: Number,
    cell: Cell,
    out: Bytes,
    at: Number,
) -> tuple[Number, Number]:
    """Write a cell as a field; return its end or what became of it, and whether a constraint may refuse it."""
    kind, size = columns.codecs[column, KIND], columns.codecs[column, SIZE]
    if is_null(source, cell):
        put32(out, at, -1)
        return at + 4, columns.codecs[column, REQUIRED] != 0
    if kind <= JSONB:
        return put_text_field(source, cell, kind, size, out, at), False
    if cell.begin == cell.end:
        return DOUBT, False
    if kind in (UUID, BYTES):
        return put_bytes_field(source.text, cell, kind, out, at), False
    is_certain, value, size = read_cell(source, columns, shaping, column, cell, out, at)
    if not is_certain:
        is_late = kind == FLOAT and may_be_late(shaping, column)
        return LATE if is_late else DOUBT, False
    end = put_numeric(out, at, value, size) if kind == NUMERIC else put_number(out, at, size, value)
    return end, not passes(columns, column, value)


@inlined
def _begin_row(
    columns: Columns,
    shaping: MaybeShaping,
    text_form: MaybeTextForm,
    more: Number,
    out: Bytes,
    at: Number,
) -> Number:
    """Write what stands before the fields of a row, which has `more` than those of its columns."""
    if text_form is not None:
        return at
    put16(out, at, count_fields(columns, shaping) + more)
    return at + 2


@inlined
def _end_row(
    shaping: MaybeShaping,
    text_form: MaybeTextForm,
    line: Number,
    first_line: Number,
    out: Bytes,
    at: Number,
) -> Number:
    """Write what stands behind the fields of a row's cells: what is added, and from 1 on the line; return its end."""
    if text_form is None:
        at = put_added(shaping, line, out, at)
        return put_number(out, at, 8, first_line + line) if first_line > 0 else at
    at = put_added_texts(shaping, line, out, at)
    at = put_line_number(out, at, first_line + line) if first_line > 0 else at
    end_row(out, at)
    return at


@inlined
def _note(cells: Numbers, row: Number, place: CellPlace, cell: Cell) -> None:
    """Write down a cell."""
    cells[row, 0] = place.line
    cells[row, 1] = place.column
    cells[row, 2] = cell.begin
    cells[row, 3] = cell.end


@inlined
def _take_note(
    source: SourceLines,
    columns: Columns,
    found: EncodedTuples,
    place: CellPlace,
    cell: Cell,
    end: Number,
    before: Extent,
) -> Extent:
    """Write down a cell that is not done with its field, which has this `end`; return how much there is after it.

    That is one to check, a float that needs more care, or one that nobody has read.
    """
    at, doubtful, deferred_floats = before.at, before.doubtful, before.deferred_floats
    if end == LATE:
        _note(found.floats, deferred_floats, place, cell)
        size = columns.codecs[place.column, SIZE]
        put32(found.tuples, at, size)
        found.floats[deferred_floats, 4] = at + 4
        return Extent(at=at + 4 + size, doubtful=doubtful, deferred_floats=deferred_floats + 1)
    if end == DOUBT or (columns.codecs[place.column, IS_UNREAD] and not is_null(source, cell)):
        _note(found.type_check_cells, doubtful, place, cell)
        doubtful += 1
    return Extent(at=max(at, end), doubtful=doubtful, deferred_floats=deferred_floats)


@inlined
def _end_line(
    found: EncodedTuples,
    line: Number,
    is_doubtful: Number,
    is_suspected: Number,
    before: Extent,
    after: Extent,
) -> Extent:
    """Say what became of a line of the right width; return how much there is after it.

    Cells that nobody has read stay noted beside one to check, or a float that may be one.
    """
    found.verdicts[line] = MAY_VIOLATE if is_suspected else ACCEPTED
    if is_doubtful:
        found.verdicts[line] = NEEDS_TYPE_CHECK
        found.floats[before.deferred_floats : after.deferred_floats, 4] = -1
    elif after.deferred_floats == before.deferred_floats:
        return Extent(at=after.at, doubtful=before.doubtful, deferred_floats=before.deferred_floats)
    return after


@inlined
def _put_line(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    text_form: MaybeTextForm,
    found: EncodedTuples,
    line: Number,
    before: Extent,
) -> Extent:
    """Write a line's fields; return how much there is after it.

    `found.verdicts` tells what became of it.
    """
    width, out, extent = len(columns.codecs), found.tuples, before
    place, line_end = source.starts[line], source.starts[line + 1] - source.ending
    column, is_suspected, is_doubtful = 0, False, False
    while True:
        cell = find_cell(source, place, line_end)
        if column < width and not is_left_out(shaping, column):
            if text_form is None:
                end, is_refused = _put_cell(source, columns, shaping, column, cell, out, extent.at)
            else:
                end, is_refused = put_text_cell(
                    source, columns, shaping, column, cell, out, extent.at
                )
            is_suspected |= is_refused
            is_doubtful |= end == DOUBT
            where = CellPlace(line=line, column=column)
            extent = _take_note(source, columns, found, where, cell, end, extent)
        column += 1
        place = cell.end + (1 if cell.is_quoted else 0)
        if place >= line_end:
            break
        place += 1
    if column != width:
        found.verdicts[line] = column
        return Extent(
            at=extent.at, doubtful=before.doubtful, deferred_floats=before.deferred_floats
        )
    return _end_line(found, line, is_doubtful, is_suspected, before, extent)


@compiled
def encode_lines(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    text_form: MaybeTextForm,
    found: EncodedTuples,
    first_line: Number,
    at: Number,
) -> tuple[Number, Number, Number]:
    """Write the tuple of each line that is certain or suspected, one after the other from `found.tuples[at]`.

    With a `first_line` from 1 a tuple ends with the line's number. Returns where the tuples end, and how many doubts
    and floats were found; -1 cells when there is no more room for them.
    """
    width = len(columns.codecs)
    written = Extent(at=at, doubtful=0, deferred_floats=0)
    for line in range(len(source.starts) - 1):
        if written.doubtful + width > len(found.type_check_cells):
            return at, -1, written.deferred_floats
        found.begins[line] = at
        begun = Extent(
            at=_begin_row(columns, shaping, text_form, first_line > 0, found.tuples, at),
            doubtful=written.doubtful,
            deferred_floats=written.deferred_floats,
        )
        written = _put_line(source, columns, shaping, text_form, found, line, begun)
        if found.verdicts[line] == ACCEPTED or found.verdicts[line] == MAY_VIOLATE:
            number = source.numbers[line]
            at = _end_row(shaping, text_form, number, first_line, found.tuples, written.at)
    found.begins[len(source.starts) - 1] = at
    return at, written.doubtful, written.deferred_floats
