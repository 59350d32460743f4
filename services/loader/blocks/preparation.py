"""Prepare a block: rows that are certain as a COPY takes them, the rest set apart for Postgres to judge.

Nothing here needs a connection, so it is done in a thread of its own while the block before is being copied.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from libs.common.csv import parse_errors
from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import Block
from libs.common.csv.line_scanner import Lines, find_lines, find_skipped
from libs.common.csv.places import from_place
from libs.common.csv.records import Record, RecordSplitter
from libs.common.csv.skipped_records import Skip, SkippedRecords
from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import ErrorCode, LoadMode
from libs.common.postgres.copy.check_prefilter import RowPredicates, parse_constraints
from libs.common.postgres.copy.column_types import ColumnCodec, Limit
from libs.common.postgres.copy.encoded_block import Encoded, TypeCheckCell
from libs.common.postgres.copy.encoder import Encoder
from libs.common.postgres.copy.row_layout import RowLayout
from libs.common.postgres.copy.rows import Rows
from libs.common.postgres.header_mapping import MatchedHeader
from libs.common.postgres.target_table import MOST_COLUMNS, TargetTable
from services.loader.blocks.added_fields import AddedFields
from services.loader.blocks.cell_codecs import codecs_of, explain, form_of
from services.loader.cells.conversion import CellConverter, Unreadable
from services.loader.cells.record_shape import RecordShape, ShapingSplitter, Splitter
from services.loader.rejects.rejected_row import RejectedLine

_MOST_DOUBTFUL = 0.5
"""With a greater share of doubtful lines in a block, columns gain nothing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A block as rows; every line that is not in `certain` is in one of the others.

    `encoded` is what the COPY of the certain rows takes. Postgres is asked about `type_check_cells`, as they are after
    their conversions, of the lines `doubtful`; `malformed` are no records of their header, or have a
    cell that cannot be converted. `skipped` counts lines that are no records.
    """

    block: Block
    lines: Lines
    certain: Rows
    encoded: bytes
    suspected: Rows
    type_check_cells: list[TypeCheckCell]
    doubtful: list[int]
    malformed: list[RejectedLine]
    skipped: Counter[Skip]

    @property
    def count(self) -> int:
        """Return the number of records."""
        return len(self.lines) - self.skipped.total()


class BlockPlan:
    """How the blocks of one load become rows."""

    def __init__(
        self,
        dialect: FileFormat,
        encoder: Encoder,
        splitter: Splitter,
        max_record_bytes: int,
        added: AddedFields | None = None,
        converters: Mapping[int, CellConverter] | None = None,
        *,
        keeps_order: bool,
        has_sequence_defaults: bool,
    ) -> None:
        """Encode with `encoder`, and convert what is not certain there by the `converters` of the columns.

        Where rows have line numbers these keep their order. Else `keeps_order` says that the fate of a record depends
        on those before it, `has_sequence_defaults` that rows may be counted as they are written.
        """
        self.has_lines = encoder.has_lines
        self.keeps_order = keeps_order and not encoder.has_lines
        self.has_sequence_defaults = has_sequence_defaults and not encoder.has_lines
        self.covers_all_checks = encoder.covers_all_checks
        self._dialect = dialect
        self._encoder, self._unread = encoder, encoder.of_unread()
        self.copy_format = encoder.form.name
        self.unread = self._unread.columns if self._unread else []
        """The columns of which only Postgres reads the cells, in the order of `unread_texts`."""
        self._splitter = splitter
        self._cap = max_record_bytes
        self._added = added
        self._converters = converters or {}
        self._seen: tuple[bytes, Lines | None] = (b"", None)

    def count_ends(self, data: bytes) -> int | None:
        """Return the number of line ends if each line is certainly one record."""
        lines = self._find_lines(data)
        return None if lines is None else lines.ends

    def prepare(self, block: Block) -> Prepared | None:
        """Return the block as rows, or None when it is not of the common shape."""
        lines = self._find_lines(block.data) if block.frames is None else None
        if lines is None:
            return None
        skipped = find_skipped(lines, self._splitter.skips)
        found = self._encode(lines, block, skipped.keys())
        if found is None:
            return None
        doubtful = len(lines) - len(skipped) - len(found.certain) - len(found.suspected)
        if doubtful > _MOST_DOUBTFUL * len(lines):
            return None
        cells, unconverted = self._convert(found.type_check_cells)
        refused = {refusal.line for refusal in unconverted}
        return Prepared(
            block,
            lines,
            found.certain,
            self.encode_for_copy(found.certain),
            found.suspected,
            cells,
            [line for line in found.doubtful if line not in refused],
            [*self._wrong_width(found), *unconverted],
            Counter(skipped.values()),
        )

    def _encode(self, lines: Lines, block: Block, skipped: Collection[int]) -> Encoded | None:
        """Return the rows of lines, None where not even what is added to each of them is certain."""
        if self._added is None:
            return self._encoder.encode(lines, block.line_number, skipped)
        number, line = from_place(block.line_number)
        same = self._added.of_file(number)
        if same is None or line + len(lines) > self._added.last_line:
            return None
        return self._encoder.encode(lines, block.line_number, skipped, same, line)

    def _convert(
        self, cells: list[TypeCheckCell]
    ) -> tuple[list[TypeCheckCell], list[RejectedLine]]:
        """Return cells as they are after their conversions, and why lines have a cell that cannot be converted."""
        converters = self._converters
        if not converters:
            return cells, []
        made: list[TypeCheckCell] = []
        refused: dict[int, tuple[int, str]] = {}
        for line, column, text in cells:
            converter = converters.get(column)
            found = text if converter is None else converter.convert(text)
            if isinstance(found, Unreadable):
                refused[line] = min(
                    refused.get(line, (column, found.message)), (column, found.message)
                )
            elif found is not None:
                made.append((line, column, found))
        return (
            [cell for cell in made if cell[0] not in refused],
            [
                RejectedLine(
                    line, ErrorCode.CONVERSION_ERROR, converters[column].column, None, message
                )
                for line, (column, message) in refused.items()
            ],
        )

    def encode_for_copy(self, rows: Rows) -> bytes:
        """Return rows as the sink takes them, with their line numbers if it wants them."""
        return self._encoder.for_sink(rows)

    def encode(self, rows: Rows) -> bytes:
        """Return rows as a table of the target's columns takes them."""
        return self._encoder.for_target(rows)

    def unread_texts(self, prepared: Prepared, rows: Rows) -> bytes:
        """Return the cells of rows in `unread` columns as a text COPY; there must be such columns."""
        encoder = self._unread
        found = encoder.encode(prepared.lines, 0) if encoder else None
        if encoder is None or found is None:
            raise ValueError("a block that has rows can be written as texts")
        places = np.searchsorted(found.certain.lines, rows.lines)
        return encoder.for_sink(found.certain.take(places))

    def records(self, prepared: Prepared, lines: Sequence[int]) -> list[Record]:
        """Return lines of the block as records."""
        block, found = prepared.block, []
        begins, texts = prepared.lines.texts(lines)
        for line, begin, text in zip(lines, begins, texts, strict=True):
            offset, number = block.byte_offset + begin, block.line_number + line
            one = Block(offset, number, text, None, offset + len(text), number + 1)
            found += self._splitter.split(one)
        return found

    def _find_lines(self, data: bytes) -> Lines | None:
        """Return the lines if each is certainly one record; the last answer is remembered."""
        if self._seen[0] is not data:
            lines = find_lines(data, self._dialect)
            if lines is not None and lines.longest > self._cap:
                lines = None
            self._seen = (data, lines)
        return self._seen[1]

    def _wrong_width(self, found: Encoded) -> list[RejectedLine]:
        """Return why lines have not the shape of a record."""
        faulty = [
            parse_errors.wrong_count(count, self._encoder.width)
            for count in found.wrong_width_counts
        ]
        return [
            RejectedLine(line, fault.code, None, None, fault.message)
            for line, fault in zip(found.wrong_width, faulty, strict=True)
        ]


def why_not_blocks(shape: RecordShape, definition: DatasetDefinition) -> str | None:
    """Say why dialect, types or what becomes of the cells do not allow a load to take the block path, else None."""
    columns = shape.header.columns
    dialect = definition.format
    reasons = {
        "the file is in UTF-16": dialect.encoding.startswith("utf-16"),
        "each line is a JSON object": dialect.type == "jsonl",
        "the delimiter has several characters": dialect.byte_delimiter is None,
        "records end with a CR alone": dialect.line_end == "cr",
    }
    reason = next((reason for reason, applies in reasons.items() if applies), None)
    if reason is not None:
        return reason
    # Beside the most columns there is no room for one more, which tables of ours have.
    if len(columns) >= MOST_COLUMNS:
        return f"the file has {len(columns)} columns"
    return explain(shape.header, definition)


def plan_blocks(
    table: TargetTable,
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
    is_upsert = definition.mode is LoadMode.UPSERT
    added = columns[len(columns) - header.added :]
    codecs = codecs_of(header, definition)
    form = form_of(codecs)
    fields = AddedFields(added, shape.added, definition.time_zone, form) if added else None
    encoder = Encoder(
        dialect,
        codecs,
        _by_cells(parse_constraints(columns, checks, slice_limits), header, codecs),
        None if header.is_plain else _layout(header, fields),
        form,
        has_lines=is_upsert,
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
        keeps_order=table.has_order_dependent_constraints,
        has_sequence_defaults=table.has_sequence_defaults(columns),
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
