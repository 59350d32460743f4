"""Turn dates and numbers that are written otherwise into the plain form that the modules `…_values` read; compiled.

Only what is certain to be meant so is turned: figures with another point and groups of three digits, and dates whose
numbers stand at fixed places. Everything else is left to be converted as text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from libs.common.compiled.jit import inlined
from libs.common.compiled.words import Bytes, Number, Numbers, find, repeated

MOST_LETTERS = 32
"""So many bytes a date of a fixed form may have."""
LENGTH, YEAR, MONTH, DAY, HOUR, MINUTE, SECOND = range(7)
"""The places of a form's numbers in its row of what `as_form_arrays` returns."""
_NOWHERE = -1
_DIRECTIVES = {"Y": YEAR, "m": MONTH, "d": DAY, "H": HOUR, "M": MINUTE, "S": SECOND}
_DATE, _CLOCK = frozenset("Ymd"), frozenset("HM")
_PIECE = re.compile(r"%(.)|([^%])", re.DOTALL)
_POINT, _MINUS, _PLUS, _ZERO, _COLON = (ord(letter) for letter in ".-+0:")


@dataclass(frozen=True, slots=True)
class DateForm:
    """A date of fixed width: where its numbers stand, and the letters between them (0 where there is a digit)."""

    places: tuple[int, ...]
    letters: bytes

    @property
    def has_clock(self) -> bool:
        """Return whether it has a time of the day."""
        return self.places[HOUR] != _NOWHERE


def fixed_form(date_format: str) -> DateForm | None:
    """Return the form of a format of strptime whose numbers have fixed places, else None."""
    places, letters, seen = [_NOWHERE] * 7, bytearray(), set[str]()
    for directive, literal in _PIECE.findall(date_format):
        if literal or directive == "%":
            letter = literal or "%"
            if not letter.isascii() or letter.isdigit():
                return None
            letters += letter.encode()
        elif directive not in _DIRECTIVES or directive in seen:
            return None
        else:
            seen.add(directive)
            places[_DIRECTIVES[directive]] = len(letters)
            letters += bytes(4 if directive == "Y" else 2)
    places[LENGTH] = len(letters)
    is_known = seen >= _DATE and (seen == _DATE or seen >= _CLOCK | _DATE)
    return (
        DateForm(tuple(places), bytes(letters))
        if is_known and len(letters) <= MOST_LETTERS
        else None
    )


def as_form_arrays(
    forms: Sequence[DateForm],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return the places and the letters of forms."""
    letters = b"".join(form.letters.ljust(MOST_LETTERS, b"\0") for form in forms)
    return (
        np.array([form.places for form in forms], np.int64).reshape(-1, 7),
        np.frombuffer(letters, np.uint8).reshape(-1, MOST_LETTERS).copy(),
    )


@inlined
def _put_groups(
    text: Bytes, begin: Number, end: Number, mark: Number, out: Bytes, at: Number
) -> Number:
    """Write digits without the marks between groups of three, the first of one to three; return their end, else -1."""
    digits, marks = 0, 0
    for place in range(begin, end):
        byte = np.int64(text[place])
        if mark != 0 and byte == mark:
            if digits == 0 or digits > 3 or (marks > 0 and digits != 3):
                return -1
            marks, digits = marks + 1, 0
        elif byte == _POINT:
            return -1
        else:
            out[at] = byte
            at, digits = at + 1, digits + 1
    return at if marks == 0 or digits == 3 else -1


@inlined
def put_plain_number(
    text: Bytes, begin: Number, end: Number, point: Number, mark: Number, out: Bytes, at: Number
) -> Number:
    """Write a number with a plain point and without marks (0: there are none); return its end, -1 if not certain."""
    if text[begin] == _MINUS or text[begin] == _PLUS:
        out[at] = text[begin]
        at, begin = at + 1, begin + 1
    behind = find(text, begin, end, repeated(point))
    at = _put_groups(text, begin, behind, mark, out, at)
    if at < 0 or behind == end:
        return at
    out[at] = _POINT
    for place in range(behind + 1, end):
        if text[place] == _POINT:
            return -1
        out[at + place - behind] = text[place]
    return at + end - behind


@inlined
def _copy_digits(text: Bytes, begin: Number, count: Number, out: Bytes, at: Number) -> Number:
    """Copy bytes; return their end."""
    for place in range(count):
        out[at + place] = text[begin + place]
    return at + count


@inlined
def is_of_form(text: Bytes, begin: Number, end: Number, places: Numbers, letters: Bytes) -> Number:
    """Return whether a cell has the length and the letters of a form; its digits are for the reader to see."""
    if end - begin != places[LENGTH]:
        return False
    for place in range(end - begin):  # noqa: SIM110  # compiled code has no generators
        if letters[place] != 0 and text[begin + place] != letters[place]:
            return False
    return True


@inlined
def put_iso_date(
    text: Bytes, begin: Number, places: Numbers, has_clock: Number, out: Bytes, at: Number
) -> Number:
    """Write a date of a form as year, month, day, and a clock if `has_clock`.

    Return its end, -1 where it has a clock that is not wanted.
    """
    at = _copy_digits(text, begin + places[YEAR], 4, out, at)
    out[at] = _MINUS
    at = _copy_digits(text, begin + places[MONTH], 2, out, at + 1)
    out[at] = _MINUS
    at = _copy_digits(text, begin + places[DAY], 2, out, at + 1)
    if not has_clock:
        return -1 if places[HOUR] >= 0 else at
    out[at] = ord(" ")
    at += 1
    for which in (HOUR, MINUTE, SECOND):
        if which != HOUR:
            out[at] = _COLON
            at += 1
        if places[which] >= 0:
            at = _copy_digits(text, begin + places[which], 2, out, at)
        else:
            out[at] = _ZERO
            out[at + 1] = _ZERO
            at += 2
    return at
