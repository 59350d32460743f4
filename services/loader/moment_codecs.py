"""Read columns of dates, times and moments: the fixed part by `moments`, fractions and zones behind it here."""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import polars as pl

from services.loader.moments import (
    DATE_BYTES,
    MOMENT_BYTES,
    SECOND,
    TIME_BYTES,
    Flags,
    Numbers,
    Texts,
    read_days,
    read_moments,
    read_times,
)

_FRACTION = r"(?:\.[0-9]{1,6})?"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
_HOUR, _MINUTE = 3600 * SECOND, 60 * SECOND


def read_dates(cells: pl.Series) -> pl.Series:
    """Return days since 2000-01-01."""
    return _read(cells, DATE_BYTES, read_days, lambda tails: _only(tails, ""))


def read_times_of_day(cells: pl.Series) -> pl.Series:
    """Return microseconds of the day."""
    return _read(cells, TIME_BYTES, read_times, partial(_read_tails, zone=""))


def moment_without_zone(cells: pl.Series) -> pl.Series:
    """Return microseconds since 2000-01-01 of moments that name no zone."""
    return _read(cells, MOMENT_BYTES, read_moments, partial(_read_tails, zone=""))


def moment_with_zone(time_zone: str) -> Callable[[pl.Series], pl.Series]:
    """Return how to read moments in UTC; one that names no zone is certain only where the session's is UTC."""
    zone = f"{_ZONE}?" if time_zone == "UTC" else _ZONE
    return lambda cells: _read(cells, MOMENT_BYTES, read_moments, partial(_read_tails, zone=zone))


def _read(
    cells: pl.Series,
    size: int,
    read_head: Callable[[Texts], tuple[Numbers, Flags]],
    read_tails: Callable[[pl.Series], pl.Series],
) -> pl.Series:
    """Read texts whose first `size` bytes are one thing and the rest another, which is added."""
    is_long_enough = cells.is_not_null() & (cells.str.len_bytes() >= size)
    if not is_long_enough.all():
        rows = is_long_enough.arg_true()
        read = _read(cells.gather(rows), size, read_head, read_tails) if len(rows) else None
        empty = pl.Series(cells.name, [None], pl.Int64).new_from_index(0, len(cells))
        return empty if read is None else empty.scatter(rows, read)
    heads, fits = read_head(Texts.of(cells))
    values = pl.Series(cells.name, heads)
    # A character that is not ASCII fits no head, so a tail is cut by characters rightly where it matters.
    return (values + read_tails(cells.str.slice(size))).set(pl.Series(~fits), None)


def _only(tails: pl.Series, text: str) -> pl.Series:
    """Return 0 where the tail is this text."""
    return pl.repeat(0, len(tails), dtype=pl.Int64, eager=True).set(tails != text, None)


def _read_tails(tails: pl.Series, zone: str) -> pl.Series:
    """Return what fraction and zone add to a moment, in microseconds; None for any other tail."""
    if len(tails) and (tails == tails[0]).all():
        return _tail_alone(tails[0], zone).new_from_index(0, len(tails))
    return _tail(tails, zone)


@lru_cache(64)
def _tail_alone(tail: str, zone: str) -> pl.Series:
    """Read the one tail that all moments of a block have."""
    return _tail(pl.Series([tail]), zone)


def _tail(tails: pl.Series, zone: str) -> pl.Series:
    """Read each tail."""
    fraction = tails.str.extract(r"^\.([0-9]+)").fill_null("").str.pad_end(6, "0")
    offset = tails.str.extract_groups(r"([+-])([0-9]{2}):?([0-9]{2})?$").struct
    sign = pl.Series(np.where(offset.field("1").fill_null("+") == "-", 1, -1))
    hours, minutes = (offset.field(name).cast(pl.Int64).fill_null(0) for name in "23")
    added = fraction.cast(pl.Int64, strict=False) + sign * (hours * _HOUR + minutes * _MINUTE)
    return added.set(~tails.str.contains(f"^{_FRACTION}{zone}$"), None)
