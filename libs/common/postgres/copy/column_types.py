"""Say how the cells of a column are read by `lines`: the types that need no question to Postgres.

A value is read here only in spellings that Postgres reads in the same way; Postgres is asked about
all others.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from libs.common.postgres.copy.written_forms import DateForm
from libs.common.postgres.target_table import TargetColumn


class Kind(IntEnum):
    """How a cell is read; what `size` and `scale` of its shape mean is said here."""

    TEXT = 0  # size: the most characters, 0 for any number
    JSONB = 1  # jsonb
    INTEGER = 2  # size: bytes
    NUMERIC = (
        3  # size: the most digits; scale: digits behind the point, -1 for as many as the cell has
    )
    BOOLEAN = 4
    DATE = 5
    TIME = 6
    TIMESTAMP = 7  # size: whether it may name a zone; scale: whether it must
    UUID = 8
    BYTES = 9
    FLOAT = 10  # size: bytes
    LEFT_OUT = 11  # of a cell that belongs to no column


class Comparison(IntEnum):
    """What a value may have to be to a constant."""

    AT_LEAST = 0
    ABOVE = 1
    AT_MOST = 2
    BELOW = 3
    EQUAL = 4
    DIFFERENT = 5


KIND, SIZE, SCALE, REQUIRED, FIRST_LIMIT, LIMITS, IS_UNREAD = range(7)
"""The places of a column's properties in its row of what `as_arrays` returns."""
POINT, MARK, FIRST_FORM, FORMS, IS_PLAIN_READ, IS_LEFT_OUT = range(6)
"""The places of a cell's in what `as_written` returns."""
MOST_DIGITS = 18
"""So many decimal digits fit into 64 bits."""
MOST_DECIMALS = 16
"""So many of them may stand behind the point: they are written in groups of four."""


@dataclass(frozen=True, slots=True)
class ColumnCodec:
    """How the cells of a column are read.

    Numbers may have another `point`, and a `mark` between groups of three digits (bytes; 0: a plain point, no marks).
    Dates may be written in one of `forms`, and as Postgres' own ISO dates too where `is_plain_read`.
    """

    kind: Kind
    size: int = 0
    scale: int = 0
    point: int = 0
    mark: int = 0
    forms: tuple[DateForm, ...] = ()
    is_plain_read: bool = True
    is_unread: bool = False
    """Whether cells are sent as they stand, so that a COPY breaks on one that the type refuses."""
    is_binary: bool = True
    """Whether the type's binary form is known here; else rows go as text."""

    @property
    def is_written(self) -> bool:
        """Return whether cells are not, or not only, written as Postgres reads them."""
        return self.point != 0 or bool(self.forms)

    @property
    def width(self) -> int:
        """Return the most bytes that a field takes beside those of the cell's text."""
        return 4 + (40 if self.kind is Kind.NUMERIC else 24)


@dataclass(frozen=True, slots=True)
class Limit:
    """A comparison with a constant that a column's number should pass; numeric counts units of its scale."""

    column: int
    comparison: Comparison
    constant: int


def find_codec(column: TargetColumn, time_zone: str) -> ColumnCodec | None:
    """Return how the cells of a column are read, or None when only Postgres can.

    What domains and enums refuse beside, Postgres finds when it is sent.
    """
    if column.is_generated:
        return None
    codec = _find_codec(column.sent_as or column.type, time_zone)
    return replace(codec, is_unread=True) if codec and column.sent_as else codec


def _find_codec(type_name: str, time_zone: str) -> ColumnCodec | None:
    """Return how the cells of a type are read."""
    if found := re.fullmatch(r"numeric\((\d+),(\d+)\)", type_name):
        precision, scale = int(found[1]), int(found[2])
        fits = scale <= min(precision, MOST_DECIMALS)
        return ColumnCodec(Kind.NUMERIC, min(precision, MOST_DIGITS), scale) if fits else None
    if found := re.fullmatch(r"character(?: varying)?\((\d+)\)", type_name):
        return ColumnCodec(Kind.TEXT, int(found[1]))  # Postgres pads those of char(n) itself
    if type_name == "timestamp with time zone":
        return ColumnCodec(Kind.TIMESTAMP, 1, int(time_zone != "UTC"))
    return _SHAPES.get(type_name)


AS_TEXT = ColumnCodec(Kind.TEXT, is_unread=True, is_binary=False)
"""For every type that has no codec: its texts, which Postgres reads."""
LEFT_OUT = ColumnCodec(Kind.LEFT_OUT)
_SHAPES = {
    "smallint": ColumnCodec(Kind.INTEGER, 2),
    "integer": ColumnCodec(Kind.INTEGER, 4),
    "bigint": ColumnCodec(Kind.INTEGER, 8),
    "numeric": ColumnCodec(Kind.NUMERIC, MOST_DIGITS, -1),
    "real": ColumnCodec(Kind.FLOAT, 4),
    "double precision": ColumnCodec(Kind.FLOAT, 8),
    "text": ColumnCodec(Kind.TEXT),
    "character varying": ColumnCodec(Kind.TEXT),
    "json": ColumnCodec(Kind.TEXT, is_unread=True),
    "jsonb": ColumnCodec(Kind.JSONB, is_unread=True),
    "boolean": ColumnCodec(Kind.BOOLEAN),
    "bytea": ColumnCodec(Kind.BYTES),
    "date": ColumnCodec(Kind.DATE),
    "time without time zone": ColumnCodec(Kind.TIME),
    "timestamp without time zone": ColumnCodec(Kind.TIMESTAMP, 0, 0),
    "uuid": ColumnCodec(Kind.UUID),
}


def as_arrays(
    codecs: list[ColumnCodec], required: list[bool], limits: list[Limit]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the properties of the columns, and comparison and constant of each limit, in the columns' order."""
    ordered = sorted(limits, key=lambda limit: limit.column)
    owners = [limit.column for limit in ordered]
    rows = [
        [
            shape.kind,
            shape.size,
            shape.scale,
            is_required,
            first,
            owners.count(place),
            shape.is_unread,
        ]
        for place, (shape, is_required) in enumerate(zip(codecs, required, strict=True))
        for first in [sum(owner < place for owner in owners)]
    ]
    pairs = [[limit.comparison, limit.constant] for limit in ordered]
    return np.array(rows, np.int64).reshape(-1, 7), np.array(pairs, np.int64).reshape(-1, 2)


def as_written(codecs: Sequence[ColumnCodec]) -> npt.NDArray[np.int64]:
    """Return how the cells of columns are written; the forms of all of them stand one after the other."""
    first, rows = 0, []
    for codec in codecs:
        is_left_out = codec.kind is Kind.LEFT_OUT
        forms = len(codec.forms)
        rows.append([codec.point, codec.mark, first, forms, codec.is_plain_read, is_left_out])
        first += forms
    return np.array(rows, np.int64).reshape(-1, 6)
