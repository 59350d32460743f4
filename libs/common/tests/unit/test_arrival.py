"""How long a job waits for its source: durations, and clock times on days that are not 24 hours long."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from libs.common.datasets.arrival import Arrival, parse_duration
from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import Trigger
from libs.common.ledger.jobs import arrival_deadline

VIENNA = ZoneInfo("Europe/Vienna")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1h30m", 5400),
        ("7d", 7 * 86_400),
        ("1w", 7 * 86_400),
        ("PT30M", 1800),
        ("PT1H30M", 5400),
        ("P1D", 86_400),
        ("P1DT12H", 129_600),
        ("P1W", 7 * 86_400),
    ],
)
def test_a_duration_is_a_simple_text_or_iso_8601(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "30", "m", "P", "PT", "P1DT", "P5M", "-5m", "5m ", "1.5h", "5M", "m5", "1m1h", "٣m"],
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="'PT30M'"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("arrival", "cure"),
    [
        ({}, "either 'wait'"),
        ({"wait": "2h", "until": "06:00"}, "either 'wait'"),
        ({"wait": "0s"}, "at most 7 days"),
        ({"wait": "8d"}, "at most 7 days"),
        ({"wait": "9999999w"}, "at most 7 days"),
        ({"wait": "2h", "poll": "4s"}, "5 seconds to 1 hour"),
        ({"wait": "2h", "poll": "61m"}, "5 seconds to 1 hour"),
        ({"wait": "two hours"}, "'2h'"),
        ({"until": "24:00"}, "pattern"),
        ({"until": "6:00"}, "pattern"),
    ],
)
def test_an_arrival_that_cannot_be_meant_is_refused(arrival: dict[str, str], cure: str) -> None:
    with pytest.raises(ValidationError, match=cure):
        Arrival.model_validate(arrival)


@pytest.mark.parametrize(
    ("start", "until", "deadline"),
    [
        ("2026-11-24T02:30", "04:00", "2026-11-24T03:00+00:00"),
        (
            "2026-11-24T05:00",
            "04:00",
            "2026-11-24T03:00+00:00",
        ),  # past: there is nothing to wait for
        ("2026-03-29T01:30", "02:30", "2026-03-29T01:30+00:00"),  # skipped: 03:30 in summer time
        ("2026-10-25T01:30", "02:30", "2026-10-25T01:30+00:00"),  # twice: the later one
        ("2026-10-25T01:30", "06:00", "2026-10-25T05:00+00:00"),
    ],
)
def test_a_clock_time_is_that_of_the_zone_on_the_day_that_the_job_is_due(
    start: str, until: str, deadline: str
) -> None:
    due = datetime.fromisoformat(start).replace(tzinfo=VIENNA)

    found = Arrival(until=until).deadline(due.astimezone(UTC), VIENNA)

    assert found == datetime.fromisoformat(deadline)


def test_the_zone_is_the_schedules_and_without_one_the_datasets() -> None:
    """At 23:30 UTC it is the next day in Vienna, and still the day before in New York."""
    body = {
        "table": "a.b",
        "source": "x.csv",
        "arrival": {"until": "23:00"},
        "time_zone": "America/New_York",
    }
    schedule = {"cron": "30 0 * * *", "time_zone": "Europe/Vienna"}
    start = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    own = DatasetDefinition.model_validate(body)
    scheduled = DatasetDefinition.model_validate(body | {"schedule": schedule})

    assert arrival_deadline(own, Trigger.API, start) == datetime(2026, 11, 25, 4, tzinfo=UTC)
    assert arrival_deadline(scheduled, Trigger.SCHEDULE, start) == datetime(
        2026, 11, 25, 22, tzinfo=UTC
    )


@pytest.mark.parametrize("trigger", [Trigger.UPLOAD, Trigger.REPLAY])
def test_what_the_api_holds_itself_is_not_waited_for(trigger: Trigger) -> None:
    definition = DatasetDefinition.model_validate({"table": "a.b", "arrival": {"wait": "2h"}})

    assert arrival_deadline(definition, trigger, datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_a_done_file_takes_the_date_and_the_source_only() -> None:
    body = {"table": "a.b", "done_file": "{source}.done"}
    assert DatasetDefinition.model_validate(body | {"done_file": "done/{data_date}"}).done_file

    with pytest.raises(ValidationError, match=r"cannot read '\{sources\}' in 'done_file'"):
        DatasetDefinition.model_validate(body | {"done_file": "{sources}.done"})
