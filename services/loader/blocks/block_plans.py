"""Decide whether a load can take the block path, and how its blocks become rows."""

from collections.abc import Sequence
from dataclasses import replace

from libs.common.csv.records import RecordSplitter
from libs.common.csv.skipped_records import SkippedRecords
from libs.common.datasets.definition import DatasetDefinition
from libs.common.postgres.copy.check_prefilter import RowPredicates, parse_constraints
from libs.common.postgres.copy.column_types import ColumnCodec, Limit
from libs.common.postgres.copy.encoder import Encoder
from libs.common.postgres.copy.row_layout import RowLayout
from libs.common.postgres.header_mapping import MatchedHeader
from libs.common.postgres.target_table import MOST_COLUMNS
from services.loader.blocks.added_fields import AddedFields
from services.loader.blocks.cell_codecs import codecs_of, explain, form_of
from services.loader.blocks.preparation import BlockPlan
from services.loader.blocks.row_order import RowOrder
from services.loader.cells.record_shape import RecordShape, ShapingSplitter


def why_not_blocks(shape: RecordShape, definition: DatasetDefinition) -> str | None:
    """Say why dialect, types or what becomes of the cells do not allow a load to take the block path, else None."""
    columns = shape.header.columns
    dialect = definition.format
    reasons = {
        "the file is in UTF-16": dialect.encoding.startswith("utf-16"),
        "each line is a JSON object": dialect.type == "jsonl",
        "the delimiter has several characters": dialect.byte_delimiter is None,
    }
    reason = next((reason for reason, applies in reasons.items() if applies), None)
    if reason is not None:
        return reason
    # Beside the most columns there is no room for one more, which tables of ours have.
    if len(columns) >= MOST_COLUMNS:
        return f"the file has {len(columns)} columns"
    return explain(shape.header, definition)


def plan_blocks(
    order: RowOrder,
    shape: RecordShape,
    checks: Sequence[str],
    definition: DatasetDefinition,
    max_record_bytes: int,
    slice_limits: Sequence[Limit] = (),
    skips: SkippedRecords | None = None,
) -> BlockPlan:
    """Return how to take the block path, where `why_not_blocks` knows no reason against it.

    Rows beyond `slice_limits`, or without a value there, are suspected of being outside the slice.
    """
    dialect, header = definition.format, shape.header
    columns = header.columns
    added = columns[len(columns) - header.added :]
    codecs = codecs_of(header, definition)
    form = form_of(codecs)
    fields = AddedFields(added, shape.added, definition.time_zone, form) if added else None
    predicates = parse_constraints(columns, checks, slice_limits)
    encoder = Encoder(
        dialect,
        codecs,
        _by_cells(predicates, header, codecs),
        None if header.is_plain else _layout(header, fields),
        form,
        has_lines=order is RowOrder.BY_LINE,
    )
    splitter = RecordSplitter(
        dialect, width=header.width, max_record_bytes=max_record_bytes, skips=skips
    )
    return BlockPlan(
        dialect,
        encoder,
        ShapingSplitter(splitter, shape),
        max_record_bytes,
        fields,
        shape.converters,
    )


def _layout(header: MatchedHeader, added: AddedFields | None) -> RowLayout:
    """Return where the fields of a row come from."""
    owners = [-1] * header.width
    for column, place in enumerate(header.places):
        owners[place] = column
    if added is None:
        return RowLayout(tuple(owners))
    return RowLayout(tuple(owners), added.same, added.line_sizes)


def _by_cells(
    predicates: RowPredicates, header: MatchedHeader, codecs: Sequence[ColumnCodec]
) -> RowPredicates:
    """Return what is guessed of columns as what is guessed of cells; of added and unread columns nothing is."""
    required = [False] * header.width
    for column, place in enumerate(header.places):
        required[place] = predicates.required[column]
    limits = [
        replace(limit, column=header.places[limit.column])
        for limit in predicates.limits
        if limit.column < len(header.places) and not codecs[header.places[limit.column]].is_unread
    ]
    is_complete = predicates.is_complete and len(limits) == len(predicates.limits)
    return RowPredicates(required, limits, is_complete)
