"""Split a block into columns at once: the vectorised way from bytes to cells, for blocks of the common shape.

Taken only when each line is certainly one record: no NUL, no carriage return, every quoted line a whole, sound
record. Anything else is left to `libs.common.records`, which knows every case.
"""

import re
from dataclasses import dataclass

import polars as pl
from polars.exceptions import ComputeError, SchemaError

from libs.common.datasets import FileFormat

_UNUSED = b"\x01"


@dataclass(frozen=True, slots=True)
class Columns:
    """The cells of a block by column, named by their place in the header ("0", "1", …).

    `places` are the lines of the block (from 0) that the rows of `cells` stand on; `unfit` are the other lines:
    records with too few or too many cells.
    """

    cells: pl.DataFrame
    places: pl.Series
    lines: pl.Series
    unfit: list[int]


class ColumnReader:
    """Read blocks of one dialect and one number of columns."""

    def __init__(self, dialect: FileFormat, width: int, max_record_bytes: int) -> None:
        """Compile the shape of a sound line."""
        self._dialect = dialect
        self._width = width
        self._cap = max_record_bytes
        self._seen: tuple[bytes, pl.Series | None] = (b"", None)
        quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
        cell = f"(?:{quote}(?:[^{quote}]|{quote}{quote})*{quote}|[^{quote}{delimiter}]*)"
        self._sound = f"^{cell}(?:{delimiter}{cell})*$"
        self._fit = f"^{cell}(?:{delimiter}{cell}){{{width - 1}}}$"

    @property
    def is_possible(self) -> bool:
        """Tell whether the dialect is one whose NULL and encoding need no second look."""
        return self._width > 1 and self._dialect.encoding == "utf-8" and self._dialect.null == ""

    def are_records(self, data: bytes) -> bool:
        """Tell whether each line is certainly one record."""
        return self._sound_lines(data) is not None

    def read(self, data: bytes) -> Columns | None:
        """Return the columns of whole lines, or None when their shape is not the common one."""
        lines = self._sound_lines(data)
        if lines is None:
            return None
        cells = self._read_cells(data)
        # The parser refuses a cell too many, and fills a missing one, the last at least, with NULL.
        if cells is not None and cells.to_series(self._width - 1).null_count() == 0:
            fits = pl.repeat(value=True, n=len(lines), eager=True)
        else:
            fits = self._fits(lines)
            fit = lines.filter(fits)
            cells = self._read_cells("\n".join(fit).encode()) if len(fit) else None
        if cells is None or cells.height != fits.sum():
            return None
        return Columns(cells, fits.arg_true(), lines, (~fits).arg_true().to_list())

    def _sound_lines(self, data: bytes) -> pl.Series | None:
        """Return the lines if each is certainly one record; the last answer is remembered."""
        if self._seen[0] is not data:
            lines = _read_lines(data) if _is_plain(data) else None
            sound = lines if lines is not None and self._are_sound(lines) else None
            self._seen = (data, sound)
        return self._seen[1]

    def _are_sound(self, lines: pl.Series) -> bool:
        """Tell whether no line is blank, too long or holds a quote out of place."""
        sizes = lines.str.len_bytes()
        least, most = sizes.min(), sizes.max()
        if not isinstance(least, int) or not isinstance(most, int) or least < 1 or most > self._cap:
            return False
        quoted = lines.filter(lines.str.contains(self._dialect.quote, literal=True))
        return bool(quoted.str.contains(self._sound).all())

    def _fits(self, lines: pl.Series) -> pl.Series:
        """Tell for each sound line whether it has as many cells as there are columns."""
        delimiters = lines.str.count_matches(self._dialect.delimiter, literal=True)
        quoted = lines.str.contains(self._dialect.quote, literal=True)
        frame = pl.DataFrame({"line": lines, "count": delimiters, "quoted": quoted})
        return frame.select(
            pl.when("quoted")
            .then(pl.col("line").str.contains(self._fit))
            .otherwise(pl.col("count") == self._width - 1)
        ).to_series()

    def _read_cells(self, data: bytes) -> pl.DataFrame | None:
        """Parse sound lines; None when one has too few or too many cells."""
        try:
            return pl.read_csv(
                data,
                has_header=False,
                schema={str(place): pl.String for place in range(self._width)},
                separator=self._dialect.delimiter,
                quote_char=self._dialect.quote,
                missing_columns="raise",
                extra_columns="raise",
            ).rechunk()
        except (ComputeError, SchemaError):
            return None


def _is_plain(data: bytes) -> bool:
    """Tell whether the bytes are UTF-8 without the few that need care."""
    if b"\0" in data or b"\r" in data or _UNUSED in data:
        return False
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def _read_lines(data: bytes) -> pl.Series | None:
    """Return the lines of the block as text."""
    lines = pl.read_csv(
        data,
        has_header=False,
        schema={"line": pl.String},
        separator=_UNUSED.decode(),
        quote_char=None,
    )["line"]
    expected = data.count(b"\n") + (not data.endswith(b"\n"))
    return lines.rechunk() if len(lines) == expected and lines.null_count() == 0 else None
