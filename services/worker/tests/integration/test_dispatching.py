"""A due time makes one job, whoever ticks, however often, however late."""

import threading
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from libs.common.enums import JobState, Trigger
from libs.common.ledger.models import Dataset, Job
from services.worker.dispatching import dispatch_due
from services.worker.tests.conftest import Bench

DAILY = {"cron": "30 2 * * *", "time_zone": "Europe/Vienna"}
MONDAY = datetime(2026, 3, 23, tzinfo=UTC)


def _jobs(bench: Bench) -> list[Job]:
    with bench.worker.sessions() as session:
        return list(session.scalars(select(Job).order_by(Job.due_at)))


def test_the_latest_missed_time_is_caught_up(bench: Bench) -> None:
    """After a pause of three days one job is made, for the last due time and its local date."""
    schedule = DAILY | {"catch_up": "latest"}
    bench.put_dataset(last_due_at=MONDAY, source="items-{data_date}.csv", schedule=schedule)

    assert dispatch_due(bench.worker, datetime(2026, 3, 26, 12, tzinfo=UTC)) == 1

    (job,) = _jobs(bench)
    assert job.due_at == datetime(2026, 3, 26, 1, 30, tzinfo=UTC)
    assert (job.data_date, job.source) == (date(2026, 3, 26), "items-2026-03-26.csv")
    assert (job.trigger, job.state) == (Trigger.SCHEDULE, JobState.QUEUED)
    assert job.published_at is not None


def test_every_missed_time_is_caught_up_on_request_also_across_the_clock_change(
    bench: Bench,
) -> None:
    """On 29 March 2026 there is no 02:30 in Vienna: that day's job is due at 03:00, once."""
    bench.put_dataset(
        last_due_at=datetime(2026, 3, 27, 12, tzinfo=UTC),
        source="items-{data_date}.csv",
        schedule=DAILY | {"catch_up": "all"},
    )

    dispatch_due(bench.worker, datetime(2026, 3, 30, 12, tzinfo=UTC))

    assert [job.due_at for job in _jobs(bench)] == [
        datetime(2026, 3, 28, 1, 30, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
    ]


def test_a_weekend_without_scheduler_drops_no_dated_file(bench: Bench) -> None:
    """Where the source holds a date each missed day is run unless `catch_up` says otherwise."""
    bench.put_dataset(last_due_at=MONDAY, source="i-{data_date:%Y%m%d}.csv", schedule=DAILY)

    dispatch_due(bench.worker, datetime(2026, 3, 25, 12, tzinfo=UTC))

    names = ["i-20260323.csv", "i-20260324.csv", "i-20260325.csv"]
    assert [job.source for job in _jobs(bench)] == names


def test_a_second_tick_makes_nothing(bench: Bench) -> None:
    """Ticks are idempotent."""
    bench.put_dataset(last_due_at=MONDAY, schedule=DAILY)
    now = datetime(2026, 3, 24, 12, tzinfo=UTC)
    dispatch_due(bench.worker, now)

    assert dispatch_due(bench.worker, now) == 0

    assert len(_jobs(bench)) == 1


def test_ten_dispatchers_at_once_make_one_job(bench: Bench) -> None:
    """Two schedulers do no harm."""
    bench.put_dataset(last_due_at=MONDAY, schedule=DAILY)
    now = datetime(2026, 3, 24, 12, tzinfo=UTC)
    made: list[int] = []
    threads = [
        threading.Thread(target=lambda: made.append(dispatch_due(bench.worker, now)))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(made) == [0] * 9 + [1]
    assert len(_jobs(bench)) == 1


def test_a_source_that_is_still_loaded_for_its_date_is_not_loaded_beside_it(bench: Bench) -> None:
    """One live scheduled job per dataset, date and source; the time counts as dispatched."""
    bench.put_dataset(
        last_due_at=MONDAY, schedule={"cron": "0 * * * *", "catch_up": "all"}, source="items.csv"
    )

    assert dispatch_due(bench.worker, datetime(2026, 3, 23, 3, tzinfo=UTC)) == 1

    with bench.worker.sessions() as session:
        last_due_at = session.scalars(select(Dataset.last_due_at)).one()
    assert last_due_at == datetime(2026, 3, 23, 3, tzinfo=UTC)


def test_a_job_is_made_also_when_the_broker_is_away(bench: Bench) -> None:
    """It stays queued and due, for the sweeper to send."""
    bench.put_dataset(last_due_at=MONDAY, schedule=DAILY)
    bench.cut_broker()

    dispatch_due(bench.worker, datetime(2026, 3, 24, 12, tzinfo=UTC))

    (job,) = _jobs(bench)
    assert (job.state, job.published_at) == (JobState.QUEUED, None)
    assert job.next_attempt_at is not None
    assert job.next_attempt_at <= datetime.now(UTC)


@pytest.mark.parametrize("cron", ["61 * * * *", "not a cron", "* * * *", "*/10 * * * * *"])
def test_a_cron_that_means_nothing_is_refused(bench: Bench, cron: str) -> None:
    """With a message that shows a good one."""
    with pytest.raises(ValueError, match="30 2"):
        bench.put_dataset(last_due_at=MONDAY, schedule={"cron": cron})


def test_a_dataset_that_cannot_be_dispatched_stops_no_other(bench: Bench) -> None:
    """Its definition may be older than the rule that refuses it today."""
    for name in ("before", "broken", "later"):
        bench.put_dataset(name, MONDAY, schedule=DAILY, source=f"{name}.csv")
    with bench.worker.sessions.begin() as session:
        broken = select(Dataset).where(Dataset.name == "broken")
        definition = session.scalars(broken).one().definition
    schedule = DAILY | {"cron": "0 0 */10 2 1#5"}
    with Session(bench.owner) as session, session.begin():
        session.execute(
            update(Dataset)
            .where(Dataset.name == "broken")
            .values(definition=definition | {"schedule": schedule})
        )

    with capture_logs() as lines:
        made = [
            dispatch_due(bench.worker, datetime(2026, 3, day, 12, tzinfo=UTC)) for day in (24, 25)
        ]

    assert made == [2, 2]
    assert {job.dataset for job in _jobs(bench)} == {"before", "later"}
    failures = [line for line in lines if line["event"] == "dispatch_failed"]
    assert [line["dataset"] for line in failures] == ["broken", "broken"]
    assert all("due on no day" in line["error"] for line in failures)


@pytest.mark.parametrize("column", ["paused_at", "deleted_at"])
def test_a_dataset_that_is_paused_or_deleted_gets_no_scheduled_jobs(
    bench: Bench, column: str
) -> None:
    bench.put_dataset("stopped", MONDAY, schedule=DAILY, source="stopped.csv")
    bench.put_dataset("going", MONDAY, schedule=DAILY, source="going.csv")
    _set(bench, **{column: MONDAY})

    dispatch_due(bench.worker, datetime(2026, 3, 24, 12, tzinfo=UTC))

    assert [job.dataset for job in _jobs(bench)] == ["going"]


@pytest.mark.parametrize(("catch_up", "days"), [("latest", [26]), ("all", [23, 24, 25, 26])])
def test_a_resumed_dataset_catches_up_as_its_schedule_says(
    bench: Bench, catch_up: str, days: list[int]
) -> None:
    schedule = DAILY | {"catch_up": catch_up}
    bench.put_dataset("stopped", MONDAY, schedule=schedule, source="i-{data_date}.csv")
    _set(bench, paused_at=MONDAY)
    for day in (24, 25, 26):
        dispatch_due(bench.worker, datetime(2026, 3, day, 12, tzinfo=UTC))
    while_paused = _jobs(bench)
    _set(bench, paused_at=None)
    dispatch_due(bench.worker, datetime(2026, 3, 26, 12, tzinfo=UTC))

    assert while_paused == []
    assert [job.data_date.day for job in _jobs(bench)] == days


def _set(bench: Bench, **values: datetime | None) -> None:
    """Set columns of the dataset `stopped`, as the api does."""
    with Session(bench.owner) as session, session.begin():
        session.execute(update(Dataset).where(Dataset.name == "stopped").values(**values))
