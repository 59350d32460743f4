"""Read and expand the dates in a dataset's `source`, so that a feed is found whatever its names look like.

    items-{data_date}.csv                 items-2026-11-24.csv
    EXPORT_{data_date:%Y%m%d}.csv         EXPORT_20261124.csv
    prices-{data_date-1d:%d.%m.%y}.csv    prices-23.11.26.csv

Offsets are days (d), weeks (w) or months (m). A month later is the same day of that month, or its last day
where it is shorter. Literal braces are not supported, nor is `{{`.
"""

import calendar
import re
from collections.abc import Callable
from datetime import date, timedelta

EXAMPLES = "{data_date}, {data_date:%Y%m%d}, {data_date-1d:%d.%m.%y} or {data_date-1m:%Y%m}"

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# Not strftime alone: its names of months follow the locale, and its years below 1000 are not padded.
_LETTERS: dict[str, Callable[[date], str]] = {
    "Y": lambda day: f"{day.year:04d}",
    "y": lambda day: f"{day.year % 100:02d}",
    "m": lambda day: f"{day.month:02d}",
    "d": lambda day: f"{day.day:02d}",
    "j": lambda day: day.strftime("%j"),
    "b": lambda day: _MONTHS[day.month - 1][:3],
    "B": lambda day: _MONTHS[day.month - 1],
    "U": lambda day: day.strftime("%U"),
    "W": lambda day: day.strftime("%W"),
    "V": lambda day: f"{day.isocalendar().week:02d}",
    "G": lambda day: f"{day.isocalendar().year:04d}",
    "u": lambda day: str(day.isoweekday()),
}
_BRACES = re.compile(r"\{[^{}]*\}")
_PLACEHOLDER = re.compile(r"\{data_date(?:([+-][0-9]{1,4})([dwm]))?(?::([^{}]*))?\}")
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)


def validate(pattern: str, option: str = "source") -> str:
    """Return the pattern of an option, or raise ValueError for anything in braces that is no date."""
    if "{{" in pattern or "}}" in pattern:
        raise ValueError(f"'{{{{' is not supported in {option!r}; write a date as {EXAMPLES}")
    for braces in _BRACES.findall(pattern):
        _check(braces, option)
    if "{" in _BRACES.sub("", pattern):
        raise ValueError(f"a '{{' in {option!r} is not closed; write a date as {EXAMPLES}")
    return pattern


def holds_date(pattern: str | None) -> bool:
    """Return whether a pattern means another source each day."""
    return pattern is not None and _PLACEHOLDER.search(pattern) is not None


def expand(pattern: str, data_date: date) -> str:
    """Return a valid pattern with its dates written; raises ValueError for a date outside years 1 to 9999."""
    return _PLACEHOLDER.sub(lambda match: _write(match, data_date), pattern)


def _check(braces: str, option: str) -> None:
    match = _PLACEHOLDER.fullmatch(braces)
    if match is None:
        raise ValueError(f"cannot read {braces!r} in {option!r}; write a date as {EXAMPLES}")
    if match[3] is None:
        return
    letters = _DIRECTIVE.findall(match[3])
    if not letters or not all(letter in _LETTERS for letter in letters):
        known = " ".join(f"%{letter}" for letter in _LETTERS)
        raise ValueError(
            f"the format in {braces!r} must be made of {known} and plain text; write a date as {EXAMPLES}"
        )


def _write(match: re.Match[str], data_date: date) -> str:
    try:
        day = _shift(data_date, int(match[1] or 0), match[2] or "d")
    except (OverflowError, ValueError) as exc:
        raise ValueError(f"{match[0]} of {data_date} is no date of the years 1 to 9999") from exc
    if match[3] is None:
        return day.isoformat()
    return _DIRECTIVE.sub(lambda directive: _LETTERS[directive[1]](day), match[3])


def _shift(day: date, count: int, unit: str) -> date:
    if unit != "m":
        return day + timedelta(days=count * (7 if unit == "w" else 1))
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    if not 1 <= year <= 9999:
        raise ValueError(year)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
