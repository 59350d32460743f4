"""Turn columns of text into values, for the types and spellings where nothing can be read otherwise.

A codec gives a typed value for each cell in canonical form and none for the rest, which Postgres then reads itself,
and says how its values are laid out in Postgres' binary form (the types' ``send`` functions, src/backend/utils/adt).
`services.loader.rows` puts the fields of a row side by side.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl

from libs.common.catalog import TargetColumn
from services.loader.moment_codecs import (
    moment_with_zone,
    moment_without_zone,
    read_dates,
    read_times_of_day,
)

Word: TypeAlias = tuple[str, "np.ndarray | int"]
"""A part of fixed size: its numpy dtype (big-endian) and the values, or the one value of all rows."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One type's way: `read` makes typed values of text (None: not certain).

    Values of fixed `size` in bytes are laid out by `words`, which gets them without NULL; those of any length
    (`size` is 0) by `texts`, which keeps NULL and returns String or Binary.
    """

    read: Callable[[pl.Series], pl.Series]
    size: int = 0
    words: Callable[[pl.Series], list[Word]] = lambda _: []
    texts: Callable[[pl.Series], pl.Series] = lambda values: values


def find_codec(column: TargetColumn, time_zone: str) -> Codec | None:
    """Return the codec of a column, or None when Postgres is to read each of its cells."""
    if column.is_domain or column.is_generated:
        return None
    if found := re.fullmatch(r"numeric\((\d+),(\d+)\)", column.type):
        return _numeric(int(found[1]), int(found[2]))
    if found := re.fullmatch(r"character(?: varying)?\((\d+)\)", column.type):
        return _limited_text(int(found[1]))
    if column.type == "timestamp with time zone":
        return Codec(moment_with_zone(time_zone), 8, _one_word(">i8"))
    return _CODECS.get(column.type)


def _one_word(dtype: str) -> Callable[[pl.Series], list[Word]]:
    """Lay out values that are one number each."""
    return lambda values: [(dtype, values.to_numpy())]


def _integer(size: int, dtype: type[pl.DataType]) -> Codec:
    """Return the codec of an integer; Polars reads an optional sign and digits, without overflow, as Postgres does."""
    return Codec(lambda cells: cells.cast(dtype, strict=False), size, _one_word(f">i{size}"))


_DIGITS = 17
"""So many decimal digits fit into 64 bits, with one more behind them."""


def _numeric(precision: int, scale: int) -> Codec | None:
    """Return the codec of numeric with a scale, for values of at most 17 digits.

    They are read with one digit more than the scale. Where that is 0 the value is certain, however it was rounded:
    it is less than half a unit of the scale away from the text.
    """
    if not 0 <= scale <= min(precision, _DIGITS):
        return None
    limit = 10 ** min(precision, _DIGITS)

    def read(cells: pl.Series) -> pl.Series:
        decimals = cells.cast(pl.Decimal(38, scale + 1), strict=False)
        longer = decimals.to_physical().cast(pl.Int64, strict=False)
        values = longer // 10
        exact = (values * 10 == longer) & values.is_between(-limit, limit, closed="none")
        return values.set(~exact, None)

    return Codec(read, *_numeric_layout(min(precision, _DIGITS) - scale, scale))


def _numeric_layout(whole: int, scale: int) -> tuple[int, Callable[[pl.Series], list[Word]]]:
    """Return size and layout of scaled numbers with so many digits before and behind the point."""
    before, behind = -(-whole // 4), -(-scale // 4)

    def words(values: pl.Series) -> list[Word]:
        numbers = values.to_numpy()
        size = np.abs(numbers)
        signs = np.where(numbers < 0, 0x4000, 0)
        above, below = np.divmod(size, 10**scale)
        below *= 10 ** (4 * behind - scale)
        groups = [above // 10 ** (4 * place) % 10_000 for place in reversed(range(before))]
        groups += [below // 10 ** (4 * place) % 10_000 for place in reversed(range(behind))]
        head: list[Word] = [(">i2", before + behind), (">i2", before - 1), (">i2", signs)]
        return [*head, (">i2", scale), *((">i2", group) for group in groups)]

    return 8 + 2 * (before + behind), words


def _limited_text(length: int) -> Codec:
    """Return the codec of a text of at most so many characters; Postgres pads those of char(n) itself."""

    def read(cells: pl.Series) -> pl.Series:
        if (cells.str.len_bytes().max() or 0) <= length:  # type: ignore[operator]  # a number or None
            return cells
        return cells.set(cells.str.len_chars() > length, None)

    return Codec(read)


_TRUE, _FALSE = ["t", "true", "1", "yes", "y", "on"], ["f", "false", "0", "no", "n", "off"]


def _read_booleans(cells: pl.Series) -> pl.Series:
    """Read the common spellings, whatever their case."""
    lower = cells.str.to_lowercase() if cells.str.contains("[A-Z]").any() else cells
    is_true, is_false = lower.is_in(_TRUE), lower.is_in(_FALSE)
    return is_true.set(~(is_true | is_false), None)


def _read_uuids(cells: pl.Series) -> pl.Series:
    plain = "^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$"
    digits = cells.set(~cells.str.contains(plain), None)
    return digits.str.replace_all("-", "", literal=True).str.decode("hex")


def _uuid_words(values: pl.Series) -> list[Word]:
    joined = b"".join(values.to_list())
    return [("V16", np.frombuffer(joined, "V16"))]


def _read_floats(cells: pl.Series, dtype: type[pl.DataType], least: float) -> pl.Series:
    """Read decimal spellings of finite numbers that are not too small to be exact."""
    values = cells.cast(dtype, strict=False)
    is_plain = cells.str.contains(r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$")
    is_exact = (values.is_finite() & (values.abs() >= least)) | cells.is_in(["0", "0.0", "0.00"])
    return values.set(~(is_plain & is_exact), None)


def _read_bytes(cells: pl.Series) -> pl.Series:
    """Read the hex form of bytea."""
    digits = cells.set(~cells.str.contains(r"^\\x(?:[0-9a-f]{2})*$"), None)
    return digits.str.slice(2).str.decode("hex")


TEXT = Codec(lambda cells: cells)
BYTES = Codec(_read_bytes)
INTEGER = _integer(4, pl.Int32)
BIGINT = _integer(8, pl.Int64)
UUID_BYTES = Codec(_read_uuids, 16, _uuid_words)
_CODECS = {
    "smallint": _integer(2, pl.Int16),
    "integer": INTEGER,
    "bigint": BIGINT,
    "real": Codec(lambda cells: _read_floats(cells, pl.Float32, 1.2e-38), 4, _one_word(">f4")),
    "double precision": Codec(
        lambda cells: _read_floats(cells, pl.Float64, 2.3e-308), 8, _one_word(">f8")
    ),
    "text": TEXT,
    "character varying": TEXT,
    "json": TEXT,
    "jsonb": Codec(lambda cells: cells, texts=lambda values: "\x01" + values),
    "boolean": Codec(_read_booleans, 1, lambda values: [("i1", values.cast(pl.Int8).to_numpy())]),
    "bytea": BYTES,
    "date": Codec(read_dates, 4, _one_word(">i4")),
    "time without time zone": Codec(read_times_of_day, 8, _one_word(">i8")),
    "timestamp without time zone": Codec(moment_without_zone, 8, _one_word(">i8")),
    "uuid": UUID_BYTES,
}
