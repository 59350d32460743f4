"""Dates in a dataset's source are written as its sender writes them."""

from datetime import UTC, date, datetime, timedelta, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import CatchUp
from libs.common.ledger import jobs
from libs.common.sources.source_pattern import expand, holds_date, validate

DAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("pattern", "source"),
    [
        ("a-{data_date}.csv", "a-2026-11-24.csv"),
        ("EXPORT_{data_date:%Y%m%d}.csv", "EXPORT_20261124.csv"),
        ("{data_date-1d}", "2026-11-23"),
        ("{data_date+2d:%d.%m.%y}", "26.11.26"),
        ("{data_date-1w:%G-W%V-%u}", "2026-W47-2"),
        ("{data_date-1m:%Y%m}/{data_date:%j %b %B}", "202610/328 Nov November"),
    ],
)
def test_dates_are_written_as_asked(pattern: str, source: str) -> None:
    assert expand(validate(pattern), DAY) == source
    assert holds_date(pattern)


def test_a_month_earlier_ends_at_the_last_day_of_a_shorter_month() -> None:
    assert expand("{data_date-1m}", date(2026, 3, 31)) == "2026-02-28"
    assert expand("{data_date+1m}", date(2028, 1, 31)) == "2028-02-29"
    assert expand("{data_date-12m}", date(2028, 2, 29)) == "2027-02-28"


@pytest.mark.parametrize(
    "pattern",
    [
        "{date}", "{}", "{data_date:}", "{data_date:day}", "{data_date:%H}", "{data_date:%}",
        "{data_date:%%}", "{data_date-1y}", "{data_date-d}", "{data_date", "{data_date!r}", "{ data_date}",
    ],
)  # fmt: skip
def test_anything_else_in_braces_is_refused_with_examples(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\{data_date:%Y%m%d\}"):
        DatasetDefinition(table="public.items", source=pattern)


def test_doubled_braces_are_refused_as_not_supported() -> None:
    with pytest.raises(ValueError, match="not supported"):
        validate("{{data_date}}")


def test_a_date_out_of_range_is_reported() -> None:
    with pytest.raises(ValueError, match="years 1 to 9999"):
        expand("{data_date-1d}", date.min)


@given(st.dates(date(1000, 1, 1), date(9000, 1, 1)), st.integers(-9999, 9999))
def test_a_day_is_read_back_by_strptime(day: date, days: int) -> None:
    written = expand(validate(f"{{data_date{days:+d}d:%Y%m%d}}"), day)
    assert datetime.strptime(written, "%Y%m%d").date() == day + timedelta(days)  # noqa: DTZ007


@given(
    st.text(alphabet="{}data_te:%YmdHx+-1w", max_size=30),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
)
def test_what_is_accepted_expands_without_a_brace_left_open(text: str, day: date) -> None:
    try:
        validate(text)
    except ValueError:
        return
    assert "{" not in expand(text, day)


@pytest.mark.parametrize(
    ("source", "given_", "catch_up"),
    [
        ("a-{data_date:%Y%m%d}.csv", {}, CatchUp.ALL),
        ("a.csv", {}, CatchUp.LATEST),
        ("a-{data_date}.csv", {"catch_up": "latest"}, CatchUp.LATEST),
    ],
)
def test_every_missed_day_is_run_by_default_where_each_has_its_file(
    source: str, given_: dict[str, str], catch_up: CatchUp
) -> None:
    body = {"table": "a.b", "source": source, "schedule": {"cron": "0 3 * * *", **given_}}
    definition = DatasetDefinition.model_validate(body)

    assert definition.catch_up is catch_up


def test_a_default_that_depends_on_the_source_changes_with_it() -> None:
    """A dataset whose source got a date later kept `latest`, which nobody had said, and dropped files."""
    body = {"table": "a.b", "source": "a.csv", "schedule": {"cron": "0 3 * * *"}}
    stored = DatasetDefinition.model_validate(body).model_dump(mode="json")

    changed = DatasetDefinition.model_validate(stored | {"source": "a-{data_date}.csv"})

    assert changed.catch_up is CatchUp.ALL


def test_every_trigger_means_the_day_in_the_zone_of_the_schedule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At 13:31 UTC it is half past midnight of the next day in Sydney."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime(2026, 11, 23, 13, 31, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(jobs, "datetime", Clock)
    body = {"table": "a.b", "source": "t.csv"}
    schedule = {"schedule": {"cron": "30 0 * * *", "time_zone": "Australia/Sydney"}}

    assert jobs.today_for(DatasetDefinition.model_validate(body | schedule)) == DAY
    assert jobs.today_for(DatasetDefinition.model_validate(body)) == DAY - timedelta(days=1)
