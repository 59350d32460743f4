"""Read a cell as the one number that its column's type makes of it; compiled."""

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
)
from libs.common.postgres.copy.boolean_values import read_boolean
from libs.common.postgres.copy.column_types import (
    MOST_DECIMALS,
)
from libs.common.postgres.copy.date_values import read_date, read_moment, read_time
from libs.common.postgres.copy.digits import POWERS
from libs.common.postgres.copy.float_values import read_float
from libs.common.postgres.copy.kind_numbers import DATE, FLOAT, INTEGER, NUMERIC, TIMESTAMP
from libs.common.postgres.copy.number_values import count_decimals, read_integer, read_numeric
from libs.common.postgres.copy.source_cells import Cell


@inlined
def _read_decimal(
    text: Bytes, cell: Cell, most: Number, scale: Number
) -> tuple[bool, Number, Number]:
    """Read a numeric of at most so many digits; return whether it is certain, the number and its scale."""
    if scale < 0:
        scale = count_decimals(text, cell.begin, cell.end)
        if scale > MOST_DECIMALS:
            return False, 0, 0
    is_certain, value = read_numeric(text, cell.begin, cell.end, scale)
    return is_certain and -POWERS[most] < value < POWERS[most], value, scale


@inlined
def _read_moment(
    text: Bytes, cell: Cell, kind: Number, size: Number, scale: Number
) -> tuple[bool, Number, Number]:
    """Read a date, a time or both; return whether it is certain, the number and its bytes."""
    if kind == TIMESTAMP:
        is_certain, value = read_moment(text, cell.begin, cell.end, size, scale)
        return is_certain, value, 8
    if kind == DATE:
        is_certain, value = read_date(text, cell.begin, cell.end)
        return is_certain, value, 4
    is_certain, value = read_time(text, cell.begin, cell.end)
    return is_certain, value, 8


@inlined
def read_value(
    text: Bytes, cell: Cell, kind: Number, size: Number, scale: Number
) -> tuple[bool, Number, Number]:
    """Read a cell that is one number; return whether it is certain, the number, and its bytes, of numeric the scale."""
    if kind == NUMERIC:
        return _read_decimal(text, cell, size, scale)
    if DATE <= kind <= TIMESTAMP:
        return _read_moment(text, cell, kind, size, scale)
    if kind == INTEGER:
        is_certain, value = read_integer(text, cell.begin, cell.end, size)
        return is_certain, value, size
    if kind == FLOAT:
        is_certain, value = read_float(text, cell.begin, cell.end, size)
        return is_certain, value, size
    is_certain, value = read_boolean(text, cell.begin, cell.end)
    return is_certain, value, 1
