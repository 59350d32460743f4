"""Define when a dataset is due: a cron expression in a time zone."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    Field,
)

from libs.common.enums import (
    CatchUp,
)
from libs.common.strict_model import StrictModel


@cache
def _time_zones() -> frozenset[str]:
    """List the time zones of this machine; that reads some hundred files, so once per process."""
    return frozenset(available_timezones())


def _known_time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as 'Europe/Vienna'")
    return name


def _valid_cron(expression: str) -> str:
    """Accept five fields that have a due time; CronSim would take a sixth one, for seconds, in front."""
    try:
        if len(expression.split()) != 5:
            raise CronSimError("Wrong number of fields")
        due_at = next(CronSim(expression, datetime.now(UTC)), None)
    except CronSimError as exc:
        raise ValueError(
            f"cannot read the cron expression {expression!r} ({exc}); five fields, e.g. '30 2 * * *'"
        ) from exc
    if due_at is None:
        raise ValueError(
            f"the cron expression {expression!r} is due on no day of the next 50 years; e.g. '30 2 * * *'"
        )
    return expression


TimeZone = Annotated[str, AfterValidator(_known_time_zone)]


Cron = Annotated[str, AfterValidator(_valid_cron)]


class Schedule(StrictModel):
    """When a dataset's daily job is due."""

    cron: Cron = Field(description="Five-field cron expression, e.g. '30 2 * * *'.")
    time_zone: TimeZone = Field("UTC", description="IANA time zone of the cron expression.")
    catch_up: CatchUp | None = Field(
        None,
        description="Which missed due times to run; null: all if the dataset's source holds a date, else the latest.",
    )

    def due_times(self, after: datetime, until: datetime, catch_up: CatchUp) -> list[datetime]:
        """List the due times to run in the half-open interval (after, until], in UTC, oldest first.

        With `latest` that is at most one. With `all` it is at most 1,000, so that a frequent schedule
        after a long pause cannot fill the memory; the next tick continues.
        """
        zone = ZoneInfo(self.time_zone)
        if catch_up is CatchUp.LATEST:
            just_after = until.astimezone(zone).replace(second=0, microsecond=0) + timedelta(
                minutes=1
            )
            newest = next(CronSim(self.cron, just_after, reverse=True), None)
            return [newest.astimezone(UTC)] if newest and after < newest <= until else []
        moments = (moment.astimezone(UTC) for moment in CronSim(self.cron, after.astimezone(zone)))
        return list(islice(takewhile(lambda moment: moment <= until, moments), 1_000))

    def longest_pause(self, now: datetime) -> timedelta:
        """Return the longest time between two due times in the week after `now`, or between the next two.

        Zero when fewer than two are to come, as on the 30th of February.
        """
        moments = CronSim(self.cron, now.astimezone(ZoneInfo(self.time_zone)))
        week_later = now + timedelta(days=7)
        before, longest = next(moments, None), timedelta()
        for moment in moments:
            if before is None or (longest and before > week_later):
                break
            longest = max(longest, moment.astimezone(UTC) - before.astimezone(UTC))
            before = moment
        return longest
