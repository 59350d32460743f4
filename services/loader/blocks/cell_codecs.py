"""Choose how blocks read the cells of a load: each cell's column, with what is declared about it.

What is not here is done record by record: `explain` says why.
"""

from collections.abc import Sequence
from dataclasses import replace

from libs.common.datasets.column_options import LINE
from libs.common.datasets.conversions import Conversion, conversion_of
from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import DateOrder
from libs.common.postgres.copy.column_types import AS_TEXT, LEFT_OUT, ColumnCodec, Kind, find_codec
from libs.common.postgres.copy.row_forms import BINARY, TEXT, RowForm
from libs.common.postgres.copy.written_forms import DateForm, fixed_form
from libs.common.postgres.header_mapping import MatchedHeader
from libs.common.postgres.target_table import TargetColumn

_NAMED = 3
"""So many columns are named in a reason."""
_NUMBERS = frozenset({Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT})
_DATES = frozenset({Kind.DATE, Kind.TIMESTAMP})
_LINE_TYPES = frozenset({"smallint", "integer", "bigint"})
_ORDERED = {
    DateOrder.DMY: "%d{0}%m{0}%Y",
    DateOrder.MDY: "%m{0}%d{0}%Y",
    DateOrder.YMD: "%Y{0}%m{0}%d",
}


def explain(header: MatchedHeader, definition: DatasetDefinition) -> str | None:
    """Say why blocks cannot read the cells of a load, None where they can."""
    if header.rescued:
        return "cells without a column are collected"
    of_cells, added = _split(header)
    unread = [column for column in of_cells if codec_of(column, definition) is None]
    unread += [column for column in added if not _can_be_added(column, definition)]
    if not unread:
        return None
    more = f" and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
    named = ", ".join(f"{column.name} {column.type}" for column in unread[:_NAMED])
    return f"each cell is read or converted by itself of {named}{more}"


def codecs_of(header: MatchedHeader, definition: DatasetDefinition) -> list[ColumnCodec]:
    """Return how each cell of a record is read, where `explain` knows no reason against it."""
    codecs = [LEFT_OUT] * header.width
    found = [codec_of(column, definition) or LEFT_OUT for column in _split(header)[0]]
    is_text = form_of(found) is TEXT
    for place, column, codec in zip(header.places, header.columns, found, strict=False):
        is_converted = conversion_of(definition.convert, column) is not None
        is_sent = is_text and codec.kind is Kind.FLOAT and not is_converted
        codecs[place] = AS_TEXT if is_sent else codec
    return codecs


def form_of(codecs: Sequence[ColumnCodec]) -> RowForm:
    """Return in which form the rows of such cells are copied."""
    return BINARY if all(codec.is_binary for codec in codecs) else TEXT


def codec_of(column: TargetColumn, definition: DatasetDefinition) -> ColumnCodec | None:
    """Return how the cells of a column are read with what is declared about it, None where blocks cannot."""
    codec = find_codec(column, definition.time_zone) or AS_TEXT
    conversion = conversion_of(definition.convert, column)
    if conversion is None or not (conversion.reads_numbers or conversion.date_format):
        codec = _with_order(codec, definition.date_order)
    return codec if conversion is None else with_conversion(codec, conversion)


def with_conversion(codec: ColumnCodec, conversion: Conversion) -> ColumnCodec | None:
    """Return how converted cells are read: what is certain must be what the conversions make of it."""
    is_text = codec.is_unread or codec.kind is Kind.TEXT
    if conversion.map or conversion.excel_text or is_text:
        return None
    if conversion.date_format is not None:
        form = fixed_form(conversion.date_format)
        if codec.kind not in _DATES or form is None:
            return None
        return replace(codec, forms=(form,), is_plain_read=False)
    if conversion.reads_numbers:
        if codec.kind not in _NUMBERS:
            return None
        mark = ord(conversion.thousands) if conversion.thousands else 0
        return replace(codec, point=ord(conversion.decimal or "."), mark=mark)
    return codec  # trimmed, or empty as NULL: cells that need it are certain nowhere


def _with_order(codec: ColumnCodec, order: DateOrder | None) -> ColumnCodec:
    """Return how dates are read in the order that a dataset declares."""
    pattern = _ORDERED.get(order) if order is not None else None
    if pattern is None or codec.kind not in _DATES:
        return codec
    clock = " %H:%M:%S" if codec.kind is Kind.TIMESTAMP else ""
    forms = (fixed_form(pattern.format(mark) + clock) for mark in "./-")
    return replace(codec, forms=tuple(form for form in forms if isinstance(form, DateForm)))


def _can_be_added(column: TargetColumn, definition: DatasetDefinition) -> bool:
    """Return whether blocks can fill an added column."""
    if definition.add[column.name] == LINE:
        return column.type in _LINE_TYPES and not column.is_domain
    return find_codec(column, definition.time_zone) is not None


def _split(header: MatchedHeader) -> tuple[Sequence[TargetColumn], Sequence[TargetColumn]]:
    """Return the columns of cells, and those that are added."""
    count = len(header.places)
    return header.columns[:count], header.columns[len(header.columns) - header.added :]
