"""Know whether a value passes the limits that simple CHECK constraints set to its column; compiled."""

from typing import NamedTuple

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Number,
    Numbers,
)
from libs.common.postgres.copy.column_types import (
    FIRST_LIMIT,
    LIMITS,
    Comparison,
)

_AT_LEAST, _ABOVE, _AT_MOST, _BELOW, _EQUAL, _DIFFERENT = (int(how) for how in Comparison)


class Columns(NamedTuple):
    """The columns' properties and limits (`libs.common.postgres.copy.column_types.as_arrays`)."""

    codecs: Numbers
    limits: Numbers


@inlined
def _holds(comparison: Number, value: Number, constant: Number) -> Number:
    """Return whether a comparison is true."""
    return (
        (comparison == _AT_LEAST and value >= constant)
        or (comparison == _ABOVE and value > constant)
        or (comparison == _AT_MOST and value <= constant)
        or (comparison == _BELOW and value < constant)
        or (comparison == _EQUAL and value == constant)
        or (comparison == _DIFFERENT and value != constant)
    )


@inlined
def passes(columns: Columns, column: Number, value: Number) -> Number:
    """Return whether a value passes every limit of its column."""
    first = columns.codecs[column, FIRST_LIMIT]
    for place in range(first, first + columns.codecs[column, LIMITS]):
        if not _holds(columns.limits[place, 0], value, columns.limits[place, 1]):
            return False
    return True
