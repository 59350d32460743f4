"""Turn the lines of a block into rows of a COPY, and set apart what is no certain row.

lines ──tuples──► rows: certain, or suspected of breaking a constraint
├── type_check_cells: cells in other spellings
└── unfit: lines with too few or too many cells
"""

from collections.abc import Collection
from functools import cache

import numpy as np
import numpy.typing as npt

from libs.common.compiled.words import SLACK, Bytes
from libs.common.csv.dialect import FileFormat
from libs.common.csv.line_scanner import (
    ESCAPED_NULL,
    Lines,
    Positions,
    quote_byte,
    with_slack,
)
from libs.common.postgres.copy.check_prefilter import RowPredicates
from libs.common.postgres.copy.column_limits import Columns
from libs.common.postgres.copy.column_types import (
    AS_TEXT,
    LEFT_OUT,
    SIZE,
    ColumnCodec,
    Kind,
    as_arrays,
    as_written,
)
from libs.common.postgres.copy.encoded_block import (
    Encoded,
    TypeCheckCell,
    TypeCheckCells,
)
from libs.common.postgres.copy.floats import read_floats
from libs.common.postgres.copy.lines import (
    ACCEPTED,
    MAY_VIOLATE,
    NEEDS_TYPE_CHECK,
    EncodedTuples,
    encode_lines,
)
from libs.common.postgres.copy.row_forms import BINARY, TEXT, RowForm
from libs.common.postgres.copy.row_layout import RowLayout
from libs.common.postgres.copy.rows import Rows
from libs.common.postgres.copy.scratch_buffer import ScratchBuffer
from libs.common.postgres.copy.shaping import Shaping
from libs.common.postgres.copy.source_cells import SourceLines
from libs.common.postgres.copy.written_forms import as_form_arrays

_NO_PLACE = -1
_SKIPPED = -3
"""What became of a line that is no record, beside what `lines` knows."""


class Encoder:
    """Encode blocks of one dialect for one list of columns."""

    def __init__(
        self,
        dialect: FileFormat,
        codecs: list[ColumnCodec],
        predicates: RowPredicates,
        layout: RowLayout | None = None,
        form: RowForm = BINARY,
        *,
        has_lines: bool,
    ) -> None:
        """Read cells as `codecs` say, for rows of a `layout`; with `has_lines` rows end with their line number.

        A text `form` takes codecs of any kind, a binary one those that are binary. `predicates` are those of the cells.

        `covers_all_checks` says afterwards whether every row that a constraint of its own may refuse is suspected.
        """
        self._dialect = dialect
        self._quote, self._delimiter = quote_byte(dialect), dialect.byte_delimiter
        nulls = [text.encode() for text in dialect.null_texts]
        nulls += [ESCAPED_NULL] if dialect.escape is not None else []
        self._nulls = np.frombuffer(b"".join(nulls), np.uint8).copy()
        self._longest_null = max(map(len, nulls), default=-1)
        self._null_ends = np.cumsum([len(null) for null in nulls], dtype=np.int64)
        self._columns = Columns(*as_arrays(codecs, predicates.required, predicates.limits))
        forms = [form for codec in codecs for form in codec.forms]
        self._written = (as_written(codecs), *as_form_arrays(forms))
        self._codecs, self.width = codecs, len(codecs)
        self._layout = layout or RowLayout(tuple(range(self.width)))
        self._is_plain = layout is None and not any(codec.is_written for codec in codecs)
        self._line_sizes = np.array(self._layout.line_sizes, np.int64)
        self._floats = sum(shape.kind is Kind.FLOAT for shape in codecs)
        self._noted = 2 + (self._floats and sum(codec.is_unread for codec in codecs))
        self.has_lines, self.form = has_lines, form
        self.covers_all_checks = predicates.is_complete
        # Fresh memory for each block would have to be cleared by the kernel every time.
        self._tuples, self._type_check_cells = ScratchBuffer(np.uint8), ScratchBuffer(np.int64)
        self._deferred_floats = ScratchBuffer(np.int64)
        self._most = 2 + form.line_number_bytes * (1 + len(self._line_sizes))
        self._most += sum(shape.width for shape in codecs)

    def encode(
        self,
        lines: Lines,
        first_line: int,
        skipped: Collection[int] = (),
        same: bytes = b"",
        line_in_file: int = 0,
    ) -> Encoded | None:
        """Return the rows of a block that begins on this line, or None when it is not in the file's encoding.

        Also when it has more cells to check than are worth the while, or not each line ends as the dialect says.
        Lines that are `skipped` become no rows. `same` are the fields that all rows get beside those of their cells,
        and `line_in_file` is the block's first line where rows have that, too.
        """
        source = self._read_lines(lines, skipped)
        if source is None:
            return None
        found = self._make_room(len(lines), len(source.text), len(same))
        end, doubtful, deferred_floats = encode_lines(
            source,
            self._columns,
            None if self._is_plain else self._shape(same, line_in_file),
            self.form.compiled,
            found,
            first_line if self.has_lines else 0,
            0,
        )
        if doubtful < 0:
            return None
        floats = self._read_floats(source.text, found, deferred_floats) if deferred_floats else []
        noted = found.type_check_cells[:doubtful]
        noted = noted[found.verdicts[noted[:, 0]] == NEEDS_TYPE_CHECK]
        cells = [*self._texts(source.text, noted), *floats]
        if skipped:
            found.verdicts[list(skipped)] = _SKIPPED
            cells = [cell for cell in cells if cell[0] not in skipped]
        return self._sort(found, end, cells)

    def _read_lines(self, lines: Lines, skipped: Collection[int]) -> SourceLines | None:
        """Return lines as compiled code takes them, in UTF-8, or None where that is not certain."""
        numbers = lines.number(np.arange(len(lines)))
        lines = lines.quoted or lines
        data = None if self._delimiter is None else self._as_utf8(lines.data)
        if data is None:
            return None
        starts = lines.starts if data is lines.data else self._starts(lines)
        text = with_slack(data)
        ending = self._cut_endings(text, starts, lines.ending, skipped)
        if ending is None:
            return None
        return SourceLines(
            text,
            starts,
            numbers,
            ending,
            self._delimiter,
            self._quote,
            self._nulls,
            self._null_ends,
            self._longest_null,
            self._dialect.quoted_null,
        )

    def _make_room(self, count: int, text_bytes: int, same_bytes: int) -> EncodedTuples:
        """Return room for so many rows of a text, each with so many bytes that are the same in all."""
        tuple_bytes = count * (self._most + same_bytes) + 2 * text_bytes + 2 * SLACK
        return EncodedTuples(
            self._tuples.resize(tuple_bytes),
            np.empty(count + 1, np.int64),
            np.empty(count, np.int64),
            self._type_check_cells.resize(4 * (self._noted * count + self.width)).reshape(-1, 4),
            self._deferred_floats.resize(5 * count * self._floats).reshape(-1, 5),
        )

    def _sort(self, found: EncodedTuples, end: int, cells: list[TypeCheckCell]) -> Encoded:
        """Return what was written up to `end`, by what became of the lines."""
        verdicts, begins = found.verdicts, found.begins
        copied = self.form.wrap(found.tuples[:end])
        begins += len(self.form.header)
        lines, columns = np.arange(len(verdicts)), self._layout.count_columns()
        rows = Rows(copied, begins[:-1], begins[1:], lines, columns, self.form, self.has_lines)
        wrong_width = np.flatnonzero(verdicts > ACCEPTED)
        return Encoded(
            rows.keep(verdicts == ACCEPTED),
            rows.keep(verdicts == MAY_VIOLATE),
            TypeCheckCells.of(cells),
            np.flatnonzero(verdicts == NEEDS_TYPE_CHECK),
            wrong_width,
            verdicts[wrong_width],
        )

    def _cut_endings(
        self, text: Bytes, starts: Positions, ending: int, skipped: Collection[int]
    ) -> int | None:
        """Return how long line ends are, with the delimiter before them where the dialect has one there.

        None when a record lacks it.
        """
        if not self._dialect.trailing_delimiter:
            return ending
        has_one = text[starts[1:] - ending - 1] == self._delimiter
        if skipped:
            has_one[list(skipped)] = True
        return ending + 1 if has_one.all() else None

    def _shape(self, same: bytes, line_in_file: int) -> Shaping:
        """Return what is done with the lines of a block beside writing plain cells."""
        columns = self._layout.count_columns()
        return Shaping(*self._written, with_slack(same), self._line_sizes, line_in_file, columns)

    @property
    def columns(self) -> list[int]:
        """Return the columns that have cells, in the order of these."""
        return [owner for owner in self._layout.owners if owner >= 0]

    def of_unread(self) -> "Encoder | None":
        """Return what writes only the cells that nobody has read, as texts; None where there are none."""
        are_unread = [codec.is_unread for codec in self._codecs]
        if not any(are_unread):
            return None
        owners = zip(self._layout.owners, are_unread, strict=True)
        return Encoder(
            self._dialect,
            [AS_TEXT if is_unread else LEFT_OUT for is_unread in are_unread],
            RowPredicates([False] * self.width, [], is_complete=True),
            RowLayout(tuple(owner if is_unread else -1 for owner, is_unread in owners)),
            TEXT,
            has_lines=False,
        )

    def _as_utf8(self, data: bytes) -> bytes | None:
        """Return the text in UTF-8, or None when some of it is not in the file's encoding."""
        if data.isascii():
            return data
        try:
            text = data.decode(self._dialect.encoding)
        except UnicodeDecodeError:
            return None
        return data if self._dialect.encoding == "utf-8" else text.encode()

    def _starts(self, lines: Lines) -> Positions:
        """Return where the lines of a block in the file's encoding, of a byte a character, begin in UTF-8."""
        sizes = _utf8_sizes(self._dialect.encoding)[np.frombuffer(lines.data, np.uint8)]
        ends = np.minimum(lines.starts, len(lines.data))
        starts = np.append(0, np.cumsum(np.add.reduceat(sizes, ends[:-1], dtype=np.int64)))
        starts[-1] += lines.starts[-1] - ends[-1]
        return starts

    def _texts(self, text: Bytes, places: npt.NDArray[np.int64]) -> list[TypeCheckCell]:
        """Return cells with their texts, as they are without quotes."""
        return [
            (line, self._layout.owners[cell], self._text(text, begin, end))
            for line, cell, begin, end in places.tolist()
        ]

    def _text(self, text: Bytes, begin: int, end: int) -> str:
        """Return the text of a cell; a quote inside it is doubled."""
        cell = text[begin:end].tobytes().decode()
        quote = self._dialect.quote
        return cell if quote is None else cell.replace(quote * 2, quote)

    def _read_floats(self, text: Bytes, found: EncodedTuples, count: int) -> list[TypeCheckCell]:
        """Write floats that need more care into their tuples; return those that are not certain."""
        floats, type_check_cells = found.floats[:count], list[TypeCheckCell]()
        for column in np.unique(floats[:, 1]).tolist():
            cells = floats[floats[:, 1] == column]
            texts = [self._text(text, begin, end) for begin, end in cells[:, 2:4].tolist()]
            size = int(self._columns.codecs[column, SIZE])
            values, is_certain = read_floats(texts, size)
            written = is_certain & (cells[:, 4] != _NO_PLACE)
            places = cells[written, 4][:, None] + np.arange(size)
            found.tuples[places] = values[written].view(np.uint8).reshape(-1, size)
            doubtful = np.flatnonzero(~is_certain).tolist()
            found.verdicts[cells[doubtful, 0]] = NEEDS_TYPE_CHECK
            owner = self._layout.owners[column]
            type_check_cells += [(int(cells[row, 0]), owner, texts[row]) for row in doubtful]
        return type_check_cells


@cache
def _utf8_sizes(encoding: str) -> Bytes:
    """Return how many bytes of UTF-8 each byte of an encoding becomes, 0 where it is no character."""
    characters = [bytes([byte]).decode(encoding, "ignore") for byte in range(256)]
    return np.array([len(character.encode()) for character in characters], np.uint8)
