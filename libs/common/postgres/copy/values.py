"""Read the bytes of a cell as a value, where Postgres can read nothing else in them; compiled.

Each reader gets a text and the places where the cell begins and ends (not empty), and returns whether it is certain
of the value, and the value. The words of eight bytes are read as a whole where digits are adjacent.
"""

import numpy as np

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import (
    Bytes,
    Number,
    bits_of_double,
    bits_of_single,
    find,
    load64,
    put16,
    put32,
    repeated,
)
from libs.common.postgres.copy.column_types import MOST_DIGITS

U = np.uint64
DAY, SECOND = 86_400_000_000, 1_000_000
"""In microseconds."""

_LARGEST = 2**63 - 1
POWERS = np.array([10**k for k in range(MOST_DIGITS + 1)], np.int64)
_MINUS, _PLUS, _POINT, _SPACE, _T, _Z, _COLON, _ZERO = (ord(c) for c in "-+. TZ:0")


@inlined
def _few_digits(word: Number, count: Number) -> Number:
    """Return the number of one to eight digits, the lowest bytes of a word; -1 if one is no digit."""
    shift = U(8 * (8 - count))
    pairs = (word << shift) ^ (U(0x3030303030303030) << shift)
    if ((pairs + U(0x0606060606060606)) | pairs) & U(0xF0F0F0F0F0F0F0F0) != U(0):
        return -1
    pairs = (pairs * U(10) + (pairs >> U(8))) & U(0x00FF00FF00FF00FF)
    fours = (pairs * U(100) + (pairs >> U(16))) & U(0x0000FFFF0000FFFF)
    return np.int64((fours * U(10_000) + (fours >> U(32))) & U(0xFFFFFFFF))


@inlined
def _digits(text: Bytes, begin: Number, count: Number) -> Number:
    """Return the number of some digits; -1 if one is no digit, or if they are none or too many."""
    if count <= 0 or count > MOST_DIGITS:
        return -1
    value = 0
    while count > 0:
        some = min(count, 8)
        part = _few_digits(load64(text, begin), some)
        if part < 0:
            return -1
        value = value * POWERS[some] + part
        begin += some
        count -= some
    return value


@inlined
def _skip_sign(text: Bytes, begin: Number) -> Number:
    """Return where the number behind an optional sign begins."""
    return begin + 1 if text[begin] == _MINUS or text[begin] == _PLUS else begin


@inlined
def read_integer(text: Bytes, begin: Number, end: Number, size: Number) -> tuple[bool, Number]:
    """Read an optional sign and digits as an integer of `size` bytes."""
    first, last = _skip_sign(text, begin), 0
    has_more = end - first == MOST_DIGITS + 1
    if has_more:
        end -= 1
        last = _digits(text, end, 1)
    value = _digits(text, first, end - first)
    if value < 0 or last < 0:
        return False, 0
    if has_more:
        if value >= _LARGEST // 10:
            return False, 0
        value = value * 10 + last
    if text[begin] == _MINUS:
        value = -value
    limit = 1 << (8 * size - 1) if size < 8 else _LARGEST
    return -limit <= value < limit, value


@inlined
def read_numeric(text: Bytes, begin: Number, end: Number, scale: Number) -> tuple[bool, Number]:
    """Read digits with an optional point as a number of units of the scale; half a unit rounds away from zero."""
    first = _skip_sign(text, begin)
    point = find(text, first, end, repeated(_POINT))
    whole, behind = point - first, max(end - point - 1, 0)
    if whole + behind == 0 or whole + scale > MOST_DIGITS:
        return False, 0
    value = _digits(text, first, whole) if whole else 0
    taken = min(behind, scale)
    below = _digits(text, point + 1, taken) if taken else 0
    if value < 0 or below < 0:
        return False, 0
    value = value * POWERS[scale] + below * POWERS[scale - taken]
    for place in range(point + 1 + taken, end):
        digit = np.int64(text[place]) - _ZERO
        if digit < 0 or digit > 9:
            return False, 0
        if place == point + 1 + taken and digit >= 5:
            value += 1
    return True, -value if text[begin] == _MINUS else value


@inlined
def count_decimals(text: Bytes, begin: Number, end: Number) -> Number:
    """Return how many bytes stand behind the point of a number."""
    return max(end - find(text, begin, end, repeated(_POINT)) - 1, 0)


@inlined
def put_numeric(out: Bytes, at: Number, value: Number, scale: Number) -> Number:
    """Store a number of units of the scale as a numeric field (numeric_send in utils/adt/numeric.c); return its end.

    Its digits are groups of four, those before the point and those behind it, without zeros at either end.
    """
    size = U(-value if value < 0 else value)
    behind = (scale + 3) >> 2
    unit = U(POWERS[scale])
    whole = size // unit
    below = (size - whole * unit) * U(POWERS[(behind << 2) - scale])
    while behind > 0 and below % U(10_000) == U(0):
        below //= U(10_000)
        behind -= 1
    before, rest = 0, whole
    while rest > U(0):
        rest //= U(10_000)
        before += 1
    groups = before + behind
    end = at + 12 + 2 * groups
    place = end
    for _ in range(behind):
        place -= 2
        put16(out, place, np.int64(below % U(10_000)))
        below //= U(10_000)
    for _ in range(before):
        place -= 2
        put16(out, place, np.int64(whole % U(10_000)))
        whole //= U(10_000)
    put32(out, at, 8 + 2 * groups)
    put16(out, at + 4, groups)
    put16(out, at + 6, before - 1)
    put16(out, at + 8, 0x4000 if value < 0 else 0)
    put16(out, at + 10, scale)
    return end


_EXACT = np.array([10.0**k for k in range(23)], np.float64)
"""The powers of ten that a double holds exactly."""
_E, _SMALL_E = ord("E"), ord("e")


@inlined
def _read_exponent(text: Bytes, begin: Number, end: Number) -> tuple[bool, Number]:
    """Read ``e`` and a small number, or nothing."""
    if begin == end:
        return True, 0
    if (text[begin] != _E and text[begin] != _SMALL_E) or end - begin < 2:
        return False, 0
    first = _skip_sign(text, begin + 1)
    if end - first > 3:
        return False, 0
    value = _digits(text, first, end - first)
    return value >= 0, -value if text[begin + 1] == _MINUS else value


@inlined
def read_float(text: Bytes, begin: Number, end: Number, size: Number) -> tuple[bool, Number]:
    """Read a decimal number as the bits of the nearest float of 4 or 8 bytes.

    A whole number below 2^53 and a power of ten up to 10^22 are exact as doubles, so one product or quotient of them is
    rounded once (W. Clinger, How to read floating point numbers accurately). Rounding that again to four bytes is
    right unless the double stands in the middle between two of them.
    """
    place = _skip_sign(text, begin)
    value, seen, decimals, has_point = np.int64(0), 0, 0, False
    while place < end:
        byte = np.int64(text[place])
        if byte == _POINT and not has_point:
            has_point = True
        elif _ZERO <= byte < _COLON:
            value = value * 10 + byte - _ZERO
            seen += 1
            decimals += has_point
        else:
            break
        place += 1
    is_exponent, exponent = _read_exponent(text, place, end)
    exponent -= decimals
    if not is_exponent or seen == 0 or seen > MOST_DIGITS or value >= 1 << 53:
        return False, 0
    if exponent < -22 or exponent > 22:
        return False, 0
    number: Number = np.float64(value)
    number = number / _EXACT[-exponent] if exponent < 0 else number * _EXACT[exponent]
    if text[begin] == _MINUS:
        number = -number
    bits = bits_of_double(number)
    if size == 8:
        return True, bits
    return bits & 0x1FFFFFFF != 0x10000000, bits_of_single(np.float32(number))


def _spelt(word: str) -> np.uint64:
    """Return a word of up to eight letters as it is loaded."""
    return U(int.from_bytes(word.encode(), "little"))


_TRUE, _YES, _ON = _spelt("true"), _spelt("yes"), _spelt("on")
_FALSE, _NO, _OFF = _spelt("false"), _spelt("no"), _spelt("off")
_T1, _Y1, _F1, _N1 = _spelt("t"), _spelt("y"), _spelt("f"), _spelt("n")
_SMALL = U(0x2020202020202020)


@inlined
def read_boolean(text: Bytes, begin: Number, end: Number) -> tuple[bool, Number]:
    """Read the common spellings, whatever their case."""
    size = end - begin
    if size > 5:
        return False, 0
    if size == 1 and (text[begin] == _ZERO or text[begin] == _ZERO + 1):
        return True, np.int64(text[begin]) - _ZERO
    mask = U(0xFFFFFFFFFFFFFFFF) >> U(64 - 8 * size)
    word = (load64(text, begin) | _SMALL) & mask
    is_true = word in (_TRUE, _YES, _ON, _T1, _Y1)
    is_false = word in (_FALSE, _NO, _OFF, _F1, _N1)
    return is_true or is_false, 1 if is_true else 0


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
    if begin == end or text[begin] != _POINT:
        return 0, begin
    place = begin + 1
    while place < end and text[place] >= _ZERO and text[place] < _COLON:
        place += 1
    count = place - begin - 1
    if count < 1 or count > 6:
        return -1, place
    return _digits(text, begin + 1, count) * POWERS[6 - count], place


@inlined
def _read_zone(text: Bytes, begin: Number, end: Number) -> tuple[bool, Number]:
    """Read ``Z``, ``±HH``, ``±HHMM`` or ``±HH:MM``, up to 14:59, as microseconds ahead of UTC."""
    size = end - begin
    if size == 1:
        return text[begin] == _Z, 0
    has_colon = size == 6 and text[begin + 3] == _COLON
    if not (size in (3, 5) or has_colon):
        return False, 0
    if text[begin] != _PLUS and text[begin] != _MINUS:
        return False, 0
    hours = _digits(text, begin + 1, 2)
    minutes = 0 if size == 3 else _digits(text, end - 2, 2)
    if hours < 0 or hours > 14 or minutes < 0 or minutes > 59:
        return False, 0
    ahead = (hours * 60 + minutes) * 60 * SECOND
    return True, -ahead if text[begin] == _MINUS else ahead


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
    if end - begin < 19 or (text[begin + 10] != _SPACE and text[begin + 10] != _T):
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


_HEX = np.full(256, 255, np.uint8)
for _value, _character in [(int(c, 16), c) for c in "0123456789abcdefABCDEF"]:
    _HEX[ord(_character)] = _value


@inlined
def put_hex(text: Bytes, begin: Number, end: Number, out: Bytes, at: Number) -> Number:
    """Store the bytes that pairs of hexadecimal digits stand for; return their end, or -1 if one is no such digit."""
    if (end - begin) & 1:
        return -1
    for place in range(begin, end, 2):
        high, low = _HEX[text[place]], _HEX[text[place + 1]]
        if high > 15 or low > 15:
            return -1
        out[at] = high << 4 | low
        at += 1
    return at


@inlined
def put_uuid(text: Bytes, begin: Number, end: Number, out: Bytes, at: Number) -> Number:
    """Store the bytes of a UUID as it is commonly written; return their end, or -1."""
    if end - begin != 36:
        return -1
    for dash in (8, 13, 18, 23):
        if text[begin + dash] != _MINUS:
            return -1
    for first, last in ((0, 8), (9, 13), (14, 18), (19, 23), (24, 36)):
        at = put_hex(text, begin + first, begin + last, out, at)
        if at < 0:
            return -1
    return at
