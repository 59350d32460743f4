"""Prepare a block: rows that are certain as a COPY takes them, the rest set apart for Postgres to judge.

Nothing here needs a connection, so it is done in a thread of its own while the block before is being copied.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from libs.common.csv import parse_errors
from libs.common.csv.block import Block
from libs.common.csv.dialect import FileFormat
from libs.common.csv.line_scanner import Lines, find_lines, find_skipped
from libs.common.csv.places import from_place
from libs.common.enums import ErrorCode
from libs.common.postgres.copy.encoded_block import Encoded, TypeCheckCells
from libs.common.postgres.copy.encoder import Encoder
from services.loader.blocks.added_fields import AddedFields
from services.loader.blocks.prepared_block import Prepared
from services.loader.cells.conversion import CellConverter, Unreadable
from services.loader.cells.record_shape import Splitter
from services.loader.rejects.line_rejections import LineRejections
from services.loader.rejects.rejection import Rejection

_MOST_DOUBTFUL = 0.5
"""With a greater share of doubtful lines in a block, columns gain nothing."""


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
    ) -> None:
        """Encode with `encoder`, and convert what is not certain there by the `converters` of the columns."""
        self.covers_all_checks = encoder.covers_all_checks
        self._dialect = dialect
        self._encoder, self.unread = encoder, encoder.of_unread()
        self._splitter = splitter
        self._cap = max_record_bytes
        self._added = added
        self._converters = converters or {}

    def find_lines(self, data: bytes, newline: bytes, *, may_go_on: bool) -> Lines | None:
        """Return the records at the start of some bytes, all but one that may go on, if all are certain."""
        lines = find_lines(data, self._dialect, newline, may_go_on=may_go_on)
        return None if lines is None or lines.longest > self._cap else lines

    def prepare(self, block: Block) -> Prepared | None:
        """Return the block as rows, or None when it is not of the common shape."""
        lines = block.lines
        if lines is None and block.frames is None:
            lines = self.find_lines(block.data, block.newline, may_go_on=False)
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
        return Prepared(
            block,
            lines,
            found.certain,
            found.certain.for_sink(),
            found.suspected,
            cells,
            found.doubtful[~np.isin(found.doubtful, unconverted.lines)],
            LineRejections.join([self._wrong_width(found), unconverted]),
            Counter(skipped.values()),
            self._splitter,
        )

    def _encode(self, lines: Lines, block: Block, skipped: Collection[int]) -> Encoded | None:
        """Return the rows of lines, None where not even what is added to each of them is certain."""
        if self._added is None:
            return self._encoder.encode(lines, block.line_number, skipped)
        number, line = from_place(block.line_number)
        same = self._added.of_file(number)
        if same is None or line + lines.ends > self._added.last_line:
            return None
        return self._encoder.encode(lines, block.line_number, skipped, same, line)

    def _convert(self, cells: TypeCheckCells) -> tuple[TypeCheckCells, LineRejections]:
        """Return cells as they are after their conversions, and why lines have a cell that cannot be converted."""
        converters = self._converters
        if not converters:
            return cells, LineRejections.none()
        texts = [
            converters[column].convert(text) if column in converters else text
            for column, text in cells.distinct
        ]
        refused = self._refuse_unreadable(cells, texts)
        made = [  # what has become no text is not kept
            (column, text if isinstance(text, str) else "")
            for (column, _), text in zip(cells.distinct, texts, strict=True)
        ]
        are_null = [place for place, text in enumerate(texts) if text is None]
        is_left = ~np.isin(cells.lines, refused.lines) & ~np.isin(cells.which, are_null)
        return replace(cells, distinct=made).keep(is_left), refused

    def _refuse_unreadable(
        self, cells: TypeCheckCells, texts: Sequence[str | Unreadable | None]
    ) -> LineRejections:
        """Return the lines with cells that have become no texts; the first such cell of a line is its reason."""
        columns = [column for column, _ in cells.distinct]
        reasons = {
            place: Rejection(
                ErrorCode.CONVERSION_ERROR, text.message, self._converters[column].column
            )
            for place, (column, text) in enumerate(zip(columns, texts, strict=True))
            if isinstance(text, Unreadable)
        }
        is_bad = np.isin(cells.which, list(reasons))
        lines, which = cells.lines[is_bad], cells.which[is_bad]
        order = np.argsort(np.array(columns, np.int64)[which], kind="stable")
        first_lines, firsts = np.unique(lines[order], return_index=True)
        return LineRejections.of(first_lines, which[order][firsts], reasons)

    def _wrong_width(self, found: Encoded) -> LineRejections:
        """Return why lines have not the shape of a record."""
        width, counts = self._encoder.width, found.wrong_width_counts
        reasons = {
            count: Rejection.of_fault(parse_errors.wrong_count(count, width))
            for count in set(counts.tolist())
        }
        return LineRejections.of(found.wrong_width, counts, reasons)
