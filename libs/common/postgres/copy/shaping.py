"""What is done with the lines of a block beside writing each plain cell as a field; compiled.

Cells that are written otherwise, cells of no column, and fields that no cell has.
"""

from typing import NamedTuple, TypeAlias

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    SLACK,
    Bytes,
    Number,
    Numbers,
    copy64,
)
from libs.common.postgres.copy.cell_values import read_value
from libs.common.postgres.copy.column_limits import Columns
from libs.common.postgres.copy.column_types import (
    FIRST_FORM,
    FORMS,
    IS_LEFT_OUT,
    IS_PLAIN_READ,
    KIND,
    MARK,
    POINT,
    SCALE,
    SIZE,
)
from libs.common.postgres.copy.fields import put_number
from libs.common.postgres.copy.kind_numbers import TIMESTAMP
from libs.common.postgres.copy.source_cells import Cell, SourceLines
from libs.common.postgres.copy.written_forms import (
    is_of_form,
    put_iso_date,
    put_plain_number,
)


class Shaping(NamedTuple):
    """What is done beside writing each plain cell as a field; compiled code without it is a program of its own.

    `cells` are properties of the cells (`libs.common.postgres.copy.column_types.as_written`), `forms` and `letters`
    those of dates. The fields of cells are followed by `same`, which are the same in all rows, then by the line in so
    many bytes each; `first_line` is the line of the block's first one in its file. `columns` counts the fields of a
    row, but for the line number that a sink may ask for.
    """

    cells: Numbers
    forms: Numbers
    letters: Bytes
    same: Bytes
    line_sizes: Numbers
    first_line: Number
    columns: Number


MaybeShaping: TypeAlias = Shaping | None
_NO_FORM, IS_PLAIN = -1, -2
"""What stands for the end of a cell's plain form where there is none, or where the cell has it already."""


@inlined
def _read_plain_form(
    text: Bytes, begin: Number, end: Number, kind: Number, size: Number, scale: Number
) -> tuple[bool, Number, Number]:
    """Read the plain form of a cell, if there is one."""
    if end <= begin:
        return False, 0, size
    cell = Cell(begin=begin, end=end, is_quoted=False, doubled=0)
    return read_value(text, cell, kind, size, scale)


@inlined
def put_plain_form(
    source: SourceLines,
    columns: Columns,
    shaping: Shaping,
    column: Number,
    cell: Cell,
    out: Bytes,
    at: Number,
) -> Number:
    """Write the plain form of a cell that is written otherwise; return its end, `IS_PLAIN` or that there is none."""
    point = shaping.cells[column, POINT]
    if point != 0:
        mark = shaping.cells[column, MARK]
        return put_plain_number(source.text, cell.begin, cell.end, point, mark, out, at)
    first = shaping.cells[column, FIRST_FORM]
    for form in range(first, first + shaping.cells[column, FORMS]):
        places, letters = shaping.forms[form], shaping.letters[form]
        if is_of_form(source.text, cell.begin, cell.end, places, letters):
            has_clock = columns.codecs[column, KIND] == TIMESTAMP
            return put_iso_date(source.text, cell.begin, places, has_clock, out, at)
    return IS_PLAIN if shaping.cells[column, IS_PLAIN_READ] else _NO_FORM


@inlined
def _read_written(
    source: SourceLines,
    columns: Columns,
    shaping: Shaping,
    column: Number,
    cell: Cell,
    out: Bytes,
    at: Number,
) -> tuple[bool, Number, Number]:
    """Read a cell that is written otherwise, by way of its plain form, for which there is room where its field goes."""
    kind, size = columns.codecs[column, KIND], columns.codecs[column, SIZE]
    scale, end = (
        columns.codecs[column, SCALE],
        put_plain_form(source, columns, shaping, column, cell, out, at),
    )
    if end == IS_PLAIN:
        return read_value(source.text, cell, kind, size, scale)
    return _read_plain_form(out, at, end, kind, size, scale)


@inlined
def read_cell(
    source: SourceLines,
    columns: Columns,
    shaping: MaybeShaping,
    column: Number,
    cell: Cell,
    out: Bytes,
    at: Number,
) -> tuple[bool, Number, Number]:
    """Read a cell that is one number, as its column is written."""
    if shaping is None:
        kind, size = columns.codecs[column, KIND], columns.codecs[column, SIZE]
        return read_value(source.text, cell, kind, size, columns.codecs[column, SCALE])
    return _read_written(source, columns, shaping, column, cell, out, at)


@inlined
def is_left_out(shaping: MaybeShaping, column: Number) -> Number:
    """Return whether a cell belongs to no column."""
    if shaping is None:
        return False
    return shaping.cells[column, IS_LEFT_OUT] != 0


@inlined
def may_be_late(shaping: MaybeShaping, column: Number) -> Number:
    """Return whether a float that is not certain is read later, from its text as it stands in the file."""
    if shaping is None:
        return True
    return shaping.cells[column, POINT] == 0


@inlined
def count_fields(columns: Columns, shaping: MaybeShaping) -> Number:
    """Return how many fields a row has."""
    if shaping is None:
        return len(columns.codecs)
    return shaping.columns


@inlined
def put_same(shaping: Shaping, out: Bytes, at: Number) -> Number:
    """Write the added fields that are the same in all rows; return their end."""
    count = len(shaping.same) - SLACK
    place = 0
    while place < count:
        copy64(shaping.same, place, out, at + place)
        place += 8
    return at + count


@inlined
def put_added(shaping: MaybeShaping, line: Number, out: Bytes, at: Number) -> Number:
    """Write the added fields of a line; return their end."""
    if shaping is None:
        return at
    at = put_same(shaping, out, at)
    for size in shaping.line_sizes:
        at = put_number(out, at, size, shaping.first_line + line)
    return at
