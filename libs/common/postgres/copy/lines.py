"""Write the lines of a block as tuples of a binary COPY, in one pass over their bytes; compiled.

    lines ──source_cells──► cells ──cell_values──► numbers ──fields──► tuples
                                └────────shaping───────┘

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
def _note(cells: Numbers, row: Number, line: Number, column: Number, cell: Cell) -> None:
    """Write down a cell."""
    cells[row, 0] = line
    cells[row, 1] = column
    cells[row, 2] = cell.begin
    cells[row, 3] = cell.end


@inlined
def _put_line(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    found: EncodedTuples,
    line: Number,
    before: Extent,
) -> Extent:
    """Write a line's fields; return how much there is after it.

    `found.verdicts` tells what became of it.
    """
    width, at = len(columns.codecs), before.at
    doubtful, deferred_floats = before.doubtful, before.deferred_floats
    place, line_end = source.starts[line], source.starts[line + 1] - source.ending
    column, is_suspected = 0, False
    while True:
        cell = find_cell(source, place, line_end)
        if column < width and not is_left_out(shaping, column):
            end, is_refused = _put_cell(source, columns, shaping, column, cell, found.tuples, at)
            is_suspected |= is_refused
            if end >= 0:
                at = end
            elif end == LATE:
                _note(found.floats, deferred_floats, line, column, cell)
                size = columns.codecs[column, SIZE]
                put32(found.tuples, at, size)
                found.floats[deferred_floats, 4] = at + 4
                at += 4 + size
                deferred_floats += 1
            else:
                _note(found.type_check_cells, doubtful, line, column, cell)
                doubtful += 1
        column += 1
        place = cell.end + (1 if cell.is_quoted else 0)
        if place >= line_end:
            break
        place += 1
    if column != width:
        found.verdicts[line] = column
        return Extent(at=at, doubtful=before.doubtful, deferred_floats=before.deferred_floats)
    found.verdicts[line] = MAY_VIOLATE if is_suspected else ACCEPTED
    if doubtful > before.doubtful:
        found.verdicts[line] = NEEDS_TYPE_CHECK
        found.floats[before.deferred_floats : deferred_floats, 4] = -1
    return Extent(at=at, doubtful=doubtful, deferred_floats=deferred_floats)


@compiled
def encode_lines(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
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
        put16(found.tuples, at, count_fields(columns, shaping) + (first_line > 0))
        begun = Extent(
            at=at + 2, doubtful=written.doubtful, deferred_floats=written.deferred_floats
        )
        written = _put_line(source, columns, shaping, found, line, begun)
        if found.verdicts[line] == ACCEPTED or found.verdicts[line] == MAY_VIOLATE:
            at = put_added(shaping, line, found.tuples, written.at)
            if first_line > 0:
                at = put_number(found.tuples, at, 8, first_line + line)
    found.begins[len(source.starts) - 1] = at
    return at, written.doubtful, written.deferred_floats
