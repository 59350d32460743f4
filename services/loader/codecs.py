"""Turn columns of text into Postgres' binary form, for the types and spellings where nothing can be read otherwise.

A codec gives a typed value for each cell in canonical form and none for the rest, which Postgres then reads itself.
The layouts are those of the types' ``send`` functions (src/backend/utils/adt).
"""

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from libs.common.catalog import TargetColumn

Parts = list[pa.Array | pa.Scalar]
"""What one field is made of, to be joined row by row; its length stands first."""

_SECONDS = r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_UTC = r"(?:\+00(?::?00)?|Z)"
_EPOCH_DAYS, _EPOCH_MICROSECONDS = 10_957, 946_684_800_000_000
"""From 1970 to 2000, where Postgres' days and moments begin."""
_GROUP = 10_000
"""A digit of numeric."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One type's way: `value` makes typed values of text, `parts` makes bytes of values without NULL."""

    value: Callable[[pl.Expr], pl.Expr]
    parts: Callable[[pl.Series], Parts]


def find_codec(column: TargetColumn, time_zone: str) -> Codec | None:
    """Return the codec of a column, or None when Postgres is to read each of its cells."""
    if column.is_domain or column.is_generated:
        return None
    if column.type in _INTEGERS:
        return _integer(_INTEGERS[column.type])
    if found := re.fullmatch(r"numeric\((\d+),(\d+)\)", column.type):
        return _numeric(int(found[1]), int(found[2]))
    if found := re.fullmatch(r"character varying\((\d+)\)", column.type):
        return _varchar(int(found[1]))
    if column.type == "timestamp with time zone":
        zone = f"{_UTC}?" if time_zone == "UTC" else _UTC
        return Codec(lambda cell: _moment(cell, zone), _moment_parts)
    return _PLAIN.get(column.type)


def _integer(size: int) -> Codec:
    """Return the codec of an integer of `size` bytes."""
    least, most = -(1 << (8 * size - 1)), (1 << (8 * size - 1)) - 1

    def value(cell: pl.Expr) -> pl.Expr:
        number = cell.cast(pl.Int64, strict=False)
        is_plain = cell.str.contains(r"^-?[0-9]{1,18}$") & number.is_between(least, most)
        return pl.when(is_plain).then(number)

    return Codec(value, lambda values: [_length(size), _big_endian(values, size)])


def _numeric(precision: int, scale: int) -> Codec | None:
    """Return the codec of numeric with a scale, as far as three groups before the point and one behind do."""
    whole = precision - scale
    if not 0 < whole <= 12 or scale > 4:
        return None
    shape = f"^-?[0-9]{{1,{whole}}}" + (rf"(?:\.[0-9]{{1,{scale}}})?$" if scale else "$")

    def value(cell: pl.Expr) -> pl.Expr:
        exact = cell.cast(pl.Decimal(38, scale), strict=False).to_physical().cast(pl.Int64)
        return pl.when(cell.str.contains(shape)).then(exact)

    def parts(values: pl.Series) -> Parts:
        size, factor = values.abs(), 10**scale
        groups = (size % factor) * 10 ** (4 - scale)
        for place in range(3):
            groups += ((size // (factor * _GROUP**place)) % _GROUP) * (1 << 16 * (place + 1))
        sign = (values < 0).cast(pl.Int64) * 0x4000
        head = (sign * (1 << 16)) + ((4 << 48) | (2 << 32) | scale)
        return [_length(16), _big_endian(head, 8), _big_endian(groups, 8)]

    return Codec(value, parts)


def _varchar(length: int) -> Codec:
    """Return the codec of a text of at most so many characters."""
    return Codec(lambda cell: pl.when(cell.str.len_chars() <= length).then(cell), _text_parts)


def _text_parts(values: pl.Series) -> Parts:
    """Return texts with their lengths."""
    text = values.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.large_binary())
    return [_big_endian(values.str.len_bytes().cast(pl.Int64), 4), text]


def _boolean(cell: pl.Expr) -> pl.Expr:
    is_plain = cell.str.contains("^(?:t|f|true|false)$")
    return pl.when(is_plain).then(cell.str.starts_with("t"))


def _date(cell: pl.Expr) -> pl.Expr:
    is_plain = cell.str.contains(r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}$")
    return pl.when(is_plain).then(cell.str.to_date("%Y-%m-%d", strict=False))


def _date_parts(values: pl.Series) -> Parts:
    days = values.to_physical().cast(pl.Int64) - _EPOCH_DAYS
    return [_length(4), _big_endian(days, 4)]


def _moment(cell: pl.Expr, zone: str) -> pl.Expr:
    moment = cell.str.head(19).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    return pl.when(cell.str.contains(f"^{_SECONDS}{zone}$")).then(moment)


def _moment_parts(values: pl.Series) -> Parts:
    microseconds = values.to_physical().cast(pl.Int64) - _EPOCH_MICROSECONDS
    return [_length(8), _big_endian(microseconds, 8)]


def _uuid(cell: pl.Expr) -> pl.Expr:
    plain = "^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$"
    digits = pl.when(cell.str.contains(plain)).then(cell.str.replace_all("-", "", literal=True))
    return digits.str.decode("hex")


def _uuid_parts(values: pl.Series) -> Parts:
    return [_length(16), values.to_arrow(compat_level=pl.CompatLevel.oldest())]


_INTEGERS = {"smallint": 2, "integer": 4, "bigint": 8}
_PLAIN = {
    "text": Codec(lambda cell: cell, _text_parts),
    "character varying": Codec(lambda cell: cell, _text_parts),
    "boolean": Codec(_boolean, lambda values: [_length(1), _big_endian(values.cast(pl.Int64), 1)]),
    "date": Codec(_date, _date_parts),
    "timestamp without time zone": Codec(lambda cell: _moment(cell, ""), _moment_parts),
    "uuid": Codec(_uuid, _uuid_parts),
}


def _length(size: int) -> pa.Scalar:
    """Return the length word of a field of fixed size."""
    return pa.scalar(size.to_bytes(4, "big"), pa.large_binary())


def _big_endian(values: pl.Series, size: int) -> pa.Array:
    """Return integers without NULL as `size` bytes each, the highest first."""
    kind, dtype = _WORDS[size]
    plain = values.cast(dtype).rechunk().to_arrow()
    start = plain.offset * size  # a slice shares the buffer of the whole
    words = array(kind)
    words.frombytes(memoryview(plain.buffers()[1])[start : start + len(plain) * size])
    words.byteswap()
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(size), len(values), [None, pa.py_buffer(words)]
    )
    return fixed.cast(pa.large_binary())


_WORDS: dict[int, tuple[str, type[pl.DataType]]] = {
    1: ("b", pl.Int8),
    2: ("h", pl.Int16),
    4: ("i", pl.Int32),
    8: ("q", pl.Int64),
}


def encode_rows(values: pl.DataFrame, codecs: Sequence[Codec]) -> bytes:
    """Return the rows as ``COPY … (FORMAT binary)`` takes them, header and trailer included."""
    parts: Parts = [pa.scalar(len(codecs).to_bytes(2, "big"), pa.large_binary())]
    for series, codec in zip(values.iter_columns(), codecs, strict=True):
        parts += _field(series, codec)
    rows = pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()))
    return b"".join((_HEADER, _bytes_of(rows), b"\xff\xff"))


_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_NULL = pa.scalar(b"\xff\xff\xff\xff", pa.large_binary())


def _field(values: pl.Series, codec: Codec) -> Parts:
    """Return the parts of one field; with NULLs among them they are joined first."""
    if values.null_count() == 0:
        return codec.parts(values)
    is_null = values.is_null().to_arrow()
    filler = values.drop_nulls().head(1)
    if len(filler) == 0:
        return [pa.repeat(_NULL, len(values))]
    parts = codec.parts(values.fill_null(filler.item()))
    joined = pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()))
    return [pc.if_else(is_null, _NULL, joined)]


def _bytes_of(rows: pa.Array) -> memoryview:
    """Return the rows' bytes, which stand side by side."""
    offsets = memoryview(rows.buffers()[1]).cast("q")
    first, last = offsets[rows.offset], offsets[rows.offset + len(rows)]
    return memoryview(rows.buffers()[2])[first:last]
