"""Read dates and moments in the fixed part of ISO 8601, ``YYYY-MM-DD HH:MM:SS``, many at a time.

Texts are looked at eight bytes at once, as words (the digits' places are the same in all); the calendar is a table.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

DATE_BYTES, TIME_BYTES = 10, 8
MOMENT_BYTES = DATE_BYTES + 1 + TIME_BYTES
DAY, SECOND = 86_400_000_000, 1_000_000
"""In microseconds."""

_SPACE, _T = ord(" "), ord("T")


@dataclass(frozen=True, slots=True)
class Texts:
    """The bytes of a column of texts without NULL; text `i` is ``data[starts[i]:starts[i] + sizes[i]]``."""

    data: memoryview
    starts: Numbers
    sizes: Numbers

    @classmethod
    def of(cls, column: pl.Series) -> "Texts":
        """Take the buffers of a column."""
        array = column.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset :][: len(array) + 1]
        return cls(memoryview(array.buffers()[2] or b""), offsets[:-1], np.diff(offsets))

    def words(self, at: int) -> Words:
        """Return the eight bytes of each text that begin at byte `at`; each text must reach so far."""
        if len(self.starts) == 0:
            return np.empty(0, np.uint64)
        everything = np.ndarray((len(self.data) - 7,), np.dtype("<u8"), self.data, strides=(1,))
        return everything[self.starts + at]


def _pattern(shape: str) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Return for a shape such as ``0000-00-`` what to xor, to add and to mask, so that a fitting word becomes 0.

    A digit becomes its value, which has no high half, also when 6 is added; any other character must be itself.
    """
    xor = add = mask = 0
    for place, character in enumerate(shape):
        xor |= ord(character) << 8 * place
        add |= (6 if character == "0" else 0) << 8 * place
        mask |= (0xF0 if character == "0" else 0xFF) << 8 * place
    return np.uint64(xor), np.uint64(add), np.uint64(mask)


def _digits(words: Words, shape: str) -> tuple[Words, Flags]:
    """Return pairs of digits as numbers (byte `k` is ten times digit `k` plus the next), and which words fit."""
    xor, add, mask = _pattern(shape)
    plain = words ^ xor
    fits = (((plain + add) | plain) & mask) == 0
    return plain * np.uint64(10) + (plain >> np.uint64(8)), fits


def _pair(pairs: Words, place: int) -> Numbers:
    """Return the number whose first digit stands at byte `place`."""
    return ((pairs >> np.uint64(8 * place)) & np.uint64(0xFF)).astype(np.int64)


def _calendar() -> tuple[Numbers, Numbers]:
    """Return for each month from year 0 its first day, counted from 2000-01-01, and its length, 0 for year 0."""
    months = np.arange("0000-01", "10000-02", dtype="datetime64[M]").astype("datetime64[D]")
    days = (months - np.datetime64("2000-01-01", "D")).astype(np.int64)
    lengths = np.diff(days)
    lengths[:12] = 0
    return days[:-1], lengths


_FIRST_DAYS, _LENGTHS = _calendar()


def read_days(texts: Texts) -> tuple[Numbers, Flags]:
    """Return days since 2000-01-01 of texts that begin with ``YYYY-MM-DD``, and which do."""
    head, head_fits = _digits(texts.words(0), "0000-00-")
    tail, tail_fits = _digits(texts.words(2), "00-00-00")
    month, day = _pair(head, 5), _pair(tail, 6)
    fits = head_fits & tail_fits & (month >= 1) & (month <= 12)
    since_year_0 = (_pair(head, 0) * 100 + _pair(head, 2)) * 12 + month - 1
    place = np.where(fits, since_year_0, 0)
    return _FIRST_DAYS[place] + day - 1, fits & (day >= 1) & (day <= _LENGTHS[place])


def read_times(texts: Texts, at: int = 0) -> tuple[Numbers, Flags]:
    """Return microseconds of the day of texts with ``HH:MM:SS`` at byte `at`, and which have it."""
    pairs, fits = _digits(texts.words(at), "00:00:00")
    hour, minute, second = _pair(pairs, 0), _pair(pairs, 3), _pair(pairs, 6)
    valid = fits & (hour <= 23) & (minute <= 59) & (second <= 59)
    return ((hour * 60 + minute) * 60 + second) * SECOND, valid


def read_moments(texts: Texts) -> tuple[Numbers, Flags]:
    """Return microseconds since 2000-01-01 of texts that begin with a date, a space or T, and a time."""
    days, is_date = read_days(texts)
    clock, is_time = read_times(texts, DATE_BYTES + 1)
    between = texts.words(DATE_BYTES - 7) >> np.uint64(56)
    return days * DAY + clock, is_date & is_time & ((between == _SPACE) | (between == _T))
