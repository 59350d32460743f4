"""Say when a schedule is due on a day; asked for each cell of the overview, so that answers are kept."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

_KEPT = 1 << 16


@lru_cache(maxsize=_KEPT)
def first_due(cron: str, time_zone: str, day: date) -> datetime | None:
    """Return the first due time of a day where the schedule lives, None when there is none."""
    zone = ZoneInfo(time_zone)
    before = datetime.combine(day, time.min, zone) - timedelta(minutes=1)
    due = next(CronSim(cron, before), None)
    return due if due is not None and due.date() == day else None
