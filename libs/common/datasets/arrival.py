"""Say how long a dataset's jobs wait for a source that is not there yet: the option `arrival`."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from libs.common.strict_model import StrictModel

MAX_WAIT = timedelta(days=7)
MIN_POLL, MAX_POLL = timedelta(seconds=5), timedelta(hours=1)

_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_SIMPLE = r"(?=[0-9])(?:([0-9]{1,7})w)?(?:([0-9]{1,7})d)?(?:([0-9]{1,7})h)?(?:([0-9]{1,7})m)?(?:([0-9]{1,7})s)?"
_ISO = (
    r"P(?=[0-9T])(?:([0-9]{1,7})W)?(?:([0-9]{1,7})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,7})H)?(?:([0-9]{1,7})M)?(?:([0-9]{1,7})S)?)?"
)
_DURATION = re.compile(f"(?:{_SIMPLE}|{_ISO})")


def parse_duration(text: str) -> timedelta:
    """Read a duration such as '30m', '1h30m', '90s', '2d', or one of ISO 8601 such as 'PT30M'.

    Units are weeks, days, hours, minutes and seconds, as whole numbers. Raises ValueError.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(
            f"cannot read the duration {text!r}; write for example '30m', '2h', '90s' or 'PT30M'"
        )
    simple, iso = match.groups()[:5], match.groups()[5:]
    numbers = [int(one or other or 0) for one, other in zip(simple, iso, strict=True)]
    return timedelta(**dict(zip(_UNITS, numbers, strict=True)))


def _valid_wait(text: str) -> str:
    if not timedelta() < parse_duration(text) <= MAX_WAIT:
        raise ValueError(
            f"wait is {text!r}; it must be longer than 0 and at most 7 days, e.g. '2h'"
        )
    return text


def _valid_poll(text: str) -> str:
    if not MIN_POLL <= parse_duration(text) <= MAX_POLL:
        raise ValueError(f"poll is {text!r}; it must be from 5 seconds to 1 hour, e.g. '60s'")
    return text


class Arrival(StrictModel):
    """How long a job waits for its source, from its due time (or when it was made) on."""

    wait: Annotated[str, AfterValidator(_valid_wait)] | None = Field(
        None,
        max_length=64,
        description="So long: '30m', '2h', '1h30m', '90s', or ISO 8601 ('PT2H'); at most 7 days.",
    )
    until: str | None = Field(
        None,
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="Until this clock time of the day that the job is due or made, in the schedule's zone,"
        " without a schedule in `time_zone`.",
    )
    poll: Annotated[str, AfterValidator(_valid_poll)] = Field(
        "60s",
        max_length=64,
        description="How often to look: a duration from 5 s to 1 h; rounded up to the sweep's 30 s.",
    )

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.wait is None) == (self.until is None):
            raise ValueError("arrival needs either 'wait' (e.g. '2h') or 'until' (e.g. '06:00')")
        return self

    @property
    def poll_time(self) -> timedelta:
        """Return the time between two looks."""
        return parse_duration(self.poll)

    def deadline(self, start: datetime, zone: ZoneInfo) -> datetime:
        """Return when the waiting of a job that is due or was made at `start` is over; it may be before that."""
        if self.wait is not None:
            return start + parse_duration(self.wait)
        return _at_clock_time(start.astimezone(zone).date(), self.until or "", zone)


def _at_clock_time(day: date, text: str, zone: ZoneInfo) -> datetime:
    """Return when the clocks of a zone show this time.

    Where they show it twice it is the later moment; where they skip it, the moment as long after the change.
    """
    wall = datetime.combine(day, time.fromisoformat(text), zone)
    return max(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
