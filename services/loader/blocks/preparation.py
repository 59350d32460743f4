"""Prepare a block: rows that are certain as a COPY takes them, the rest set apart for Postgres to judge.

Nothing here needs a connection, so it is done in a thread of its own while the block before is being copied.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from libs.common.csv import parse_errors
from libs.common.csv.block import Block
from libs.common.csv.dialect import FileFormat
from libs.common.csv.line_scanner import Lines, find_lines, find_skipped
from libs.common.csv.places import from_place
from libs.common.enums import ErrorCode
from libs.common.postgres.copy.encoded_block import Encoded, TypeCheckCell
from libs.common.postgres.copy.encoder import Encoder
from services.loader.blocks.added_fields import AddedFields
from services.loader.blocks.prepared_block import Prepared
from services.loader.cells.conversion import CellConverter, Unreadable
from services.loader.cells.record_shape import Splitter
from services.loader.rejects.rejection import RejectedLine, Rejection

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
        refused = {line for line, _ in unconverted}
        return Prepared(
            block,
            lines,
            found.certain,
            found.certain.for_sink(),
            found.suspected,
            cells,
            [line for line in found.doubtful if line not in refused],
            [*self._wrong_width(found), *unconverted],
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
                (line, Rejection(ErrorCode.CONVERSION_ERROR, message, converters[column].column))
                for line, (column, message) in refused.items()
            ],
        )

    def _wrong_width(self, found: Encoded) -> list[RejectedLine]:
        """Return why lines have not the shape of a record."""
        width = self._encoder.width
        return [
            (line, Rejection.of_fault(parse_errors.wrong_count(count, width)))
            for line, count in zip(found.wrong_width, found.wrong_width_counts, strict=True)
        ]
