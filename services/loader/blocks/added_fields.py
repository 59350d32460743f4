"""Write the fields of added columns as a COPY takes them, once for all rows of a file."""

from collections.abc import Sequence

import numpy as np

from libs.common.csv.dialect import FileFormat
from libs.common.csv.line_scanner import Lines
from libs.common.postgres.copy.check_prefilter import RowPredicates
from libs.common.postgres.copy.column_types import find_codec
from libs.common.postgres.copy.encoder import Encoder
from libs.common.postgres.copy.row_forms import RowForm
from libs.common.postgres.target_table import TargetColumn
from services.loader.cells.added_values import AddedValues

_SIZES = {"smallint": 2, "integer": 4, "bigint": 8}


class AddedFields:
    """The fields of the added columns: those that are the same in all rows of a file, then those of the line."""

    def __init__(
        self,
        columns: Sequence[TargetColumn],
        values: AddedValues,
        time_zone: str,
        form: RowForm,
    ) -> None:
        """Take the added columns, of which those with the line come last, for rows of a form."""
        self._form = form
        self._columns = columns
        self._values = values
        self._time_zone = time_zone
        self._known: dict[int, bytes | None] = {}
        self.line_sizes = tuple(
            _SIZES[column.type]
            for column, is_line in zip(columns, values.are_lines, strict=True)
            if is_line
        )
        self.same = len(columns) - len(self.line_sizes)
        self.last_line = min((1 << 8 * size - 1) - 1 for size in (8, *self.line_sizes))
        """A line beyond it is out of some column's range."""

    def of_file(self, number: int) -> bytes | None:
        """Return the fields that all rows of a file have, None where some are not certain."""
        if number not in self._known:
            self._known[number] = self._encode(number) if self.same else b""
        return self._known[number]

    def _encode(self, number: int) -> bytes | None:
        texts = [text for text in self._values.of_file(number) if text is not None]
        data = ",".join('"' + text.replace('"', '""') + '"' for text in texts).encode()
        codecs = [find_codec(column, self._time_zone) for column in self._columns[: self.same]]
        known = [codec for codec in codecs if codec is not None]
        nothing = RowPredicates([False] * len(known), [], is_complete=True)
        encoder = Encoder(FileFormat(null=[]), known, nothing, form=self._form, has_lines=False)
        found = encoder.encode(Lines(data, np.array([0, len(data)]), 0), 1)
        if found is None or not len(found.certain):
            return None
        return self._form.fields_of(found.certain.copied)
