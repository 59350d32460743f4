"""Read dates and times of ISO 8601, where Postgres can read nothing else in them; compiled.

A reader gets a text and the places where the cell begins and ends (not empty), and returns whether it is certain of the
value, and the value.
"""

import numpy as np

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
    load64,
)
from libs.common.postgres.copy.digits import (
    COLON,
    MINUS,
    PLUS,
    POINT,
    POWERS,
    SPACE,
    ZERO,
    T,
    U,
    Z,
    read_digits,
)

DAY, SECOND = 86_400_000_000, 1_000_000
"""In microseconds."""


def _pattern(shape: str) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Return for a shape such as ``0000-00-`` what to xor, to add and to mask, so that a fitting word becomes 0.

    A digit becomes its value, which has no high half, also when 6 is added; any other character must be itself.
    """
    xor = add = mask = 0
    for place, character in enumerate(shape):
        xor |= ord(character) << 8 * place
        add |= (6 if character == "0" else 0) << 8 * place
        mask |= (0xF0 if character == "0" else 0xFF) << 8 * place
    return U(xor), U(add), U(mask)


_MONTH, _MONTH_ADD, _MONTH_MASK = _pattern("0000-00-")
_MONTH_DAY, _MONTH_DAY_ADD, _MONTH_DAY_MASK = _pattern("00-00-00")
_CLOCK, _CLOCK_ADD, _CLOCK_MASK = _pattern("00:00:00")


@inlined
def _pair(word: Number, place: Number) -> Number:
    """Return the number of the two digits that begin at a byte of a word, whose digits are plain numbers."""
    digits = word >> U(8 * place)
    return np.int64((digits & U(15)) * U(10) + ((digits >> U(8)) & U(15)))


@inlined
def _days(year: Number, month: Number, day: Number) -> Number:
    """Return the days since 2000-01-01 of a day of the Gregorian calendar; years are counted from March."""
    if month <= 2:
        year -= 1
        month += 12
    return (
        365 * year
        + year // 4
        - year // 100
        + year // 400
        + (153 * month - 457) // 5
        + day
        - 730_426
    )


@inlined
def _last_day(year: Number, month: Number) -> Number:
    """Return the last day of a month."""
    if month == 2:
        is_leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
        return 29 if is_leap else 28
    return 30 + ((month + (month >> 3)) & 1)


@inlined
def _read_day(text: Bytes, begin: Number) -> tuple[bool, Number]:
    """Read ``YYYY-MM-DD`` of the years 1 to 9999 as days since 2000-01-01."""
    head, tail = load64(text, begin) ^ _MONTH, load64(text, begin + 2) ^ _MONTH_DAY
    wrong = ((head + _MONTH_ADD) | head) & _MONTH_MASK
    wrong |= ((tail + _MONTH_DAY_ADD) | tail) & _MONTH_DAY_MASK
    if wrong != U(0):
        return False, 0
    year, month, day = _pair(head, 0) * 100 + _pair(head, 2), _pair(head, 5), _pair(tail, 6)
    if year < 1 or month < 1 or month > 12 or day < 1 or day > _last_day(year, month):
        return False, 0
    return True, _days(year, month, day)


@inlined
def _read_clock(text: Bytes, begin: Number) -> tuple[bool, Number]:
    """Read ``HH:MM:SS`` as microseconds of the day."""
    clock = load64(text, begin) ^ _CLOCK
    hour, minute, second = _pair(clock, 0), _pair(clock, 3), _pair(clock, 6)
    fits = ((clock + _CLOCK_ADD) | clock) & _CLOCK_MASK == U(0)
    value = ((hour * 60 + minute) * 60 + second) * SECOND
    return fits and hour <= 23 and minute <= 59 and second <= 59, value


@inlined
def _read_fraction(text: Bytes, begin: Number, end: Number) -> tuple[Number, Number]:
    """Read a point and one to six digits, if there is a point; return microseconds (-1: neither) and the end."""
    if begin == end or text[begin] != POINT:
        return 0, begin
    place = begin + 1
    while place < end and text[place] >= ZERO and text[place] < COLON:
        place += 1
    count = place - begin - 1
    if count < 1 or count > 6:
        return -1, place
    return read_digits(text, begin + 1, count) * POWERS[6 - count], place


@inlined
def _read_zone(text: Bytes, begin: Number, end: Number) -> tuple[bool, Number]:
    """Read ``Z``, ``±HH``, ``±HHMM`` or ``±HH:MM``, up to 14:59, as microseconds ahead of UTC."""
    size = end - begin
    if size == 1:
        return text[begin] == Z, 0
    has_colon = size == 6 and text[begin + 3] == COLON
    if not (size in (3, 5) or has_colon):
        return False, 0
    if text[begin] != PLUS and text[begin] != MINUS:
        return False, 0
    hours = read_digits(text, begin + 1, 2)
    minutes = 0 if size == 3 else read_digits(text, end - 2, 2)
    if hours < 0 or hours > 14 or minutes < 0 or minutes > 59:
        return False, 0
    ahead = (hours * 60 + minutes) * 60 * SECOND
    return True, -ahead if text[begin] == MINUS else ahead


@inlined
def read_date(text: Bytes, begin: Number, end: Number) -> tuple[bool, Number]:
    """Read a day as days since 2000-01-01."""
    if end - begin != 10:
        return False, 0
    return _read_day(text, begin)


@inlined
def read_time(text: Bytes, begin: Number, end: Number) -> tuple[bool, Number]:
    """Read a time of the day in microseconds."""
    if end - begin < 8:
        return False, 0
    fits, clock = _read_clock(text, begin)
    fraction, rest = _read_fraction(text, begin + 8, end)
    return fits and fraction >= 0 and rest == end, clock + fraction


@inlined
def read_moment(
    text: Bytes, begin: Number, end: Number, has_zone: Number, needs_zone: Number
) -> tuple[bool, Number]:
    """Read a day, a space or T, a time and maybe a zone as microseconds since 2000-01-01, in UTC if there is a zone."""
    if end - begin < 19 or (text[begin + 10] != SPACE and text[begin + 10] != T):
        return False, 0
    is_day, day = _read_day(text, begin)
    is_time, clock = _read_clock(text, begin + 11)
    fraction, rest = _read_fraction(text, begin + 19, end)
    if not is_day or not is_time or fraction < 0:
        return False, 0
    value = day * DAY + clock + fraction
    if rest == end:
        return not needs_zone, value
    if not has_zone:
        return False, 0
    is_zone, ahead = _read_zone(text, rest, end)
    return is_zone, value - ahead
