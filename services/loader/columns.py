"""Split a block into columns at once: the vectorised way from bytes to cells, for blocks of the common shape.

Taken only when each line is certainly one record (`libs.common.lines`) and its bytes are text. Anything else is left
to `libs.common.records`, which knows every case.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import ComputeError, SchemaError

from libs.common.datasets import FileFormat
from libs.common.lines import Lines, Positions, count_cells, find_lines


@dataclass(frozen=True, slots=True)
class Columns:
    """The cells of a block by column, named by their place in the header ("0", "1", …).

    `places` are the lines of the block (from 0) that the rows of `cells` stand on; `unfit` are the other lines, which
    have `unfit_counts` cells each: too few or too many.
    """

    lines: Lines
    cells: pl.DataFrame
    places: Positions
    unfit: Positions
    unfit_counts: Positions


class ColumnReader:
    """Read blocks of one dialect and one number of columns."""

    def __init__(self, dialect: FileFormat, width: int, max_record_bytes: int) -> None:
        """Remember the shape."""
        self._dialect = dialect
        self._width = width
        self._cap = max_record_bytes
        self._seen: tuple[bytes, Lines | None] = (b"", None)

    @property
    def is_possible(self) -> bool:
        """Tell whether the dialect is one whose NULL needs no second look."""
        return (
            self._width > 1
            and self._dialect.null == ""
            and not self._dialect.encoding.startswith("utf-16")
        )

    def count_ends(self, data: bytes) -> int | None:
        """Return the number of line ends if each line is certainly one record."""
        lines = self._find_lines(data)
        return None if lines is None else lines.ends

    def read(self, data: bytes) -> Columns | None:
        """Return the columns of whole lines, or None when their shape is not the common one."""
        lines = self._find_lines(data)
        text = self._as_utf8(data) if lines is not None else None
        if lines is None or text is None:
            return None
        if lines.ending == 2:
            text = text.replace(b"\r\n", b"\n")
        cells = self._read_cells(text)
        # The parser refuses a cell too many, and fills a missing one, the last at least, with NULL.
        if cells is not None and cells.to_series(self._width - 1).null_count() == 0:
            return self._fitting(lines, cells, np.arange(len(lines)), _NONE, _NONE)
        counts = count_cells(lines, self._dialect)
        unfit = np.flatnonzero(counts != self._width)
        if len(unfit):
            fit = _without(lines, unfit)
            text = self._as_utf8(fit.replace(b"\r\n", b"\n") if lines.ending == 2 else fit) or b""
            cells = self._read_cells(text)
        places = np.delete(np.arange(len(lines)), unfit)
        return self._fitting(lines, cells, places, unfit, counts[unfit])

    def _fitting(
        self,
        lines: Lines,
        cells: pl.DataFrame | None,
        places: Positions,
        unfit: Positions,
        counts: Positions,
    ) -> Columns | None:
        """Return the columns if the parser has found a row on each line that fits."""
        if cells is None or cells.height != len(places):
            return None
        return Columns(lines, cells, places, unfit, counts)

    def _find_lines(self, data: bytes) -> Lines | None:
        """Return the lines if each is certainly one record; the last answer is remembered."""
        if self._seen[0] is not data:
            lines = find_lines(data, self._dialect)
            if lines is not None and lines.longest > self._cap:
                lines = None
            self._seen = (data, lines)
        return self._seen[1]

    def _as_utf8(self, data: bytes) -> bytes | None:
        """Return the text in UTF-8, or None when some of it is not in the file's encoding."""
        if data.isascii():
            return data
        try:
            text = data.decode(self._dialect.encoding)
        except UnicodeDecodeError:
            return None
        return data if self._dialect.encoding == "utf-8" else text.encode()

    def _read_cells(self, data: bytes) -> pl.DataFrame | None:
        """Parse sound lines; None when one has too few or too many cells."""
        if not data:
            return pl.DataFrame(schema=self._schema)
        try:
            return pl.read_csv(
                data,
                has_header=False,
                schema=self._schema,
                separator=self._dialect.delimiter,
                quote_char=self._dialect.quote,
                missing_columns="raise",
                extra_columns="raise",
            ).rechunk()
        except (ComputeError, SchemaError):
            return None

    @property
    def _schema(self) -> dict[str, type[pl.String]]:
        return {str(place): pl.String for place in range(self._width)}


_NONE: Positions = np.empty(0, np.int64)


def _without(lines: Lines, places: npt.NDArray[np.int64]) -> bytes:
    """Return the block without some of its lines."""
    begins = np.concatenate(([0], lines.starts[places + 1]))
    ends = np.concatenate((lines.starts[places], [len(lines.data)]))
    return b"".join([lines.data[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)])
