"""A job waits for its source until it is there and whole, and is reported to be late."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from libs.common.enums import JobState, Trigger
from libs.common.ledger.jobs import mark_published
from libs.common.ledger.models import Event, Job
from services.worker.dispatching import dispatch_due
from services.worker.planning.job_plan import plan
from services.worker.sweeping import sweep
from services.worker.tests.conftest import ROW, Bench

NIGHTLY = {"cron": "30 2 * * *", "time_zone": "Europe/Vienna"}
TWO_HOURS = {"wait": "2h"}


def _change(bench: Bench, job: Job, **values: object) -> None:
    with bench.worker.sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job.id).values(**values))


def _events(bench: Bench, job: Job) -> list[tuple[str, dict[str, Any]]]:
    with bench.worker.sessions() as session:
        events = session.scalars(select(Event).where(Event.job_id == job.id).order_by(Event.id))
        return [(event.type, event.payload) for event in events]


def _age(bench: Bench, job: Job, seconds: float) -> None:
    """Let the first look at the source be so long ago."""
    seen = bench.job(job).seen_identity
    assert seen is not None
    _change(bench, job, seen_identity=seen | {"seen_at": seen["seen_at"] - seconds})


def test_a_job_waits_for_a_file_that_comes_late_and_loads_it(bench: Bench) -> None:
    """The case `late-file`: due at 02:30, the file is there at 02:40, and nobody does anything."""
    before = datetime.now(UTC).astimezone(ZoneInfo("Europe/Vienna")).replace(hour=2, minute=29)
    bench.put_dataset(
        source="prices-{data_date}.csv",
        mode="upsert",
        key=["sku"],
        schedule=NIGHTLY,
        arrival={"wait": "7d"},
        last_due_at=before - timedelta(hours=1),
    )
    dispatch_due(bench.worker, before + timedelta(minutes=2))
    with bench.worker.sessions() as session:
        job = session.scalars(select(Job)).one()

    assert plan(bench.worker, job.id) == "waiting"
    bench.write_rows(2, f"prices-{job.data_date}.csv")
    _change(bench, job, next_attempt_at=datetime.now(UTC))
    assert sweep(bench.worker).plans == 1
    assert plan(bench.worker, job.id) == "running"

    planned = bench.job(job)
    assert (planned.attempt, planned.error_code) == (1, None)
    assert planned.waiting_since is not None
    assert planned.started_at is not None
    assert planned.started_at > planned.waiting_since


def test_without_arrival_a_missing_source_fails_at_once(bench: Bench) -> None:
    bench.put_dataset()
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "failed"

    assert bench.job(job).error_code == "source-missing"
    assert [name for name, _ in _events(bench, job)] == ["job.failed"]


def test_a_job_that_waits_is_late_once_and_uses_no_attempts(bench: Bench) -> None:
    bench.put_dataset(arrival=TWO_HOURS | {"poll": "10s"})
    job = bench.make_job()
    looks = bench.worker.settings.plan_max_attempts + 2

    states = [plan(bench.worker, job.id) for _ in range(looks)]

    waiting, [(event, payload)] = bench.job(job), _events(bench, job)
    assert states == ["waiting"] * looks
    assert (waiting.attempt, waiting.started_at) == (0, None)
    assert waiting.next_attempt_at is not None
    assert waiting.next_attempt_at <= datetime.now(UTC) + timedelta(seconds=10)
    assert (event, payload["state"]) == ("job.late", "waiting")
    assert datetime.fromisoformat(payload["waits_until"]) == waiting.created_at + timedelta(hours=2)


def test_a_job_whose_waiting_is_over_fails_and_says_how_long_it_waited(bench: Bench) -> None:
    bench.put_dataset(arrival=TWO_HOURS)
    job = bench.make_job()
    plan(bench.worker, job.id)
    two_hours_ago = datetime.now(UTC) - timedelta(hours=2)
    _change(bench, job, created_at=two_hours_ago, waiting_since=two_hours_ago)

    assert plan(bench.worker, job.id) == "failed"

    failed = bench.job(job)
    assert failed.error_code == "source-missing"
    assert "waited 2:00:00" in (failed.error_message or "")
    assert "items.csv" in (failed.error_message or "")
    assert [name for name, _ in _events(bench, job)] == ["job.late", "job.failed"]


def test_the_last_look_is_at_the_end_of_the_waiting(bench: Bench) -> None:
    """A poll that is longer than what is left does not keep the job waiting beyond its time."""
    bench.put_dataset(arrival={"wait": "2h", "poll": "1h"})
    job = bench.make_job()
    begun = datetime.now(UTC) - timedelta(minutes=90)
    _change(bench, job, created_at=begun)

    plan(bench.worker, job.id)

    assert bench.job(job).next_attempt_at == begun + timedelta(hours=2)


def test_a_clock_time_that_is_past_fails_the_job_at_once(bench: Bench) -> None:
    bench.put_dataset(arrival={"until": "00:00"})
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "failed"

    assert bench.job(job).error_code == "source-missing"
    assert "waited" not in (bench.job(job).error_message or "")


def test_an_empty_file_is_waited_for_as_a_missing_one(bench: Bench) -> None:
    """A sender makes the file first and fills it then."""
    bench.put_dataset(arrival=TWO_HOURS)
    bench.write("")
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "waiting"
    bench.write_rows(1)

    assert plan(bench.worker, job.id) == "running"


def test_an_empty_file_that_is_being_filled_is_looked_at_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without `arrival`: a young file is given the time to settle before it is judged."""
    bench.put_dataset()
    bench.set(source_settle_seconds=60)
    bench.write("")
    job = bench.make_job()
    monkeypatch.setattr(
        "services.worker.planning.source_search.time.sleep", lambda _: bench.write_rows(1)
    )

    assert plan(bench.worker, job.id) == "queued"


def test_a_wrong_source_is_not_waited_for(bench: Bench) -> None:
    bench.put_dataset(arrival=TWO_HOURS)
    (bench.folder / "items.csv").mkdir()
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "failed"

    assert bench.job(job).error_code == "source-not-regular"


def test_an_upload_that_is_gone_is_not_waited_for(bench: Bench) -> None:
    bench.put_dataset(arrival=TWO_HOURS)
    job = bench.make_job(trigger=Trigger.UPLOAD)

    assert plan(bench.worker, job.id) == "failed"


def test_the_sweep_sends_a_waiting_job_when_its_poll_is_due(bench: Bench) -> None:
    bench.put_dataset(arrival=TWO_HOURS)
    job = bench.make_job()
    plan(bench.worker, job.id)

    early = sweep(bench.worker).plans
    _change(bench, job, next_attempt_at=datetime.now(UTC) - timedelta(seconds=1))
    due = sweep(bench.worker).plans

    assert (early, due) == (0, 1)


@pytest.mark.parametrize("mode", [{"mode": "replace"}, {"mode": "upsert", "key": ["sku"]}])
def test_a_later_delivery_waits_for_an_earlier_one_that_is_waiting(
    bench: Bench, mode: dict[str, Any]
) -> None:
    bench.put_dataset(source="items-{data_date}.csv", arrival=TWO_HOURS, **mode)
    first = bench.make_job(data_date=date(2026, 1, 1))
    second = bench.make_job(data_date=date(2026, 1, 2))
    bench.write_rows(2, "items-2026-01-02.csv")

    assert plan(bench.worker, first.id) == "waiting"
    assert plan(bench.worker, second.id) == "queued"
    _change(bench, first, created_at=datetime.now(UTC) - timedelta(hours=3))
    assert plan(bench.worker, first.id) == "failed"

    assert plan(bench.worker, second.id) == "running"


def test_a_waiting_schedule_makes_no_second_job_of_its_source(bench: Bench) -> None:
    """The schedule's next time of the same day and source finds the first job alive."""
    start = datetime(2026, 1, 1, 10, 0, 30, tzinfo=UTC)
    bench.put_dataset(schedule={"cron": "* * * * *"}, arrival={"wait": "7d"}, last_due_at=start)
    dispatch_due(bench.worker, start + timedelta(minutes=1))
    with bench.worker.sessions() as session:
        job = session.scalars(select(Job)).one()
    _change(
        bench,
        job,
        state=JobState.WAITING,
        waiting_since=datetime.now(UTC),
    )

    assert dispatch_due(bench.worker, start + timedelta(minutes=2)) == 0


def test_a_file_is_loaded_once_two_looks_saw_the_same(bench: Bench) -> None:
    """However old the file says it is: the server's clock may be behind."""
    bench.put_dataset(settle=60)
    path = bench.write_rows(3)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "queued"
    seen = bench.job(job)
    assert seen.next_attempt_at is not None
    wait = (seen.next_attempt_at - datetime.now(UTC)).total_seconds()
    _age(bench, job, 60)

    assert plan(bench.worker, job.id) == "running"
    assert 55 < wait <= 60
    assert bench.job(job).attempt == 1


def _append(path: Path) -> None:
    with path.open("a") as file:
        file.write(ROW.format(99))
    os.utime(path, (1_700_000_000, 1_700_000_000))


def _swap(path: Path) -> None:
    """Put another file of the same size and time in its place."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    other.rename(path)


@pytest.mark.parametrize("write", [_append, _swap])
def test_a_sender_that_pauses_is_not_cut_off(bench: Bench, write: Callable[[Path], None]) -> None:
    """Half a file that stood still for less than `settle` is not loaded, then the whole one is."""
    bench.put_dataset(settle=60)
    path = bench.write_rows(3)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    job = bench.make_job()
    plan(bench.worker, job.id)
    _age(bench, job, 61)
    write(path)

    assert plan(bench.worker, job.id) == "queued"
    assert bench.chunks(job) == []
    _age(bench, job, 61)
    assert plan(bench.worker, job.id) == "running"

    assert bench.job(job).bytes_total == path.stat().st_size


def test_looking_before_the_source_can_have_settled_uses_no_attempts(bench: Bench) -> None:
    bench.put_dataset(settle=60)
    bench.write_rows(3)
    job = bench.make_job()
    looks = bench.worker.settings.plan_max_attempts + 1

    assert [plan(bench.worker, job.id) for _ in range(looks)] == ["queued"] * looks
    assert bench.job(job).attempt == 0


def test_a_note_of_the_publish_that_comes_late_keeps_the_time_of_the_next_look(
    bench: Bench,
) -> None:
    """A plan may be quicker than whoever sent it."""
    bench.put_dataset(settle=5)
    bench.write_rows(3)
    job = bench.make_job()
    plan(bench.worker, job.id)
    next_look = bench.job(job).next_attempt_at

    with bench.worker.sessions.begin() as session:
        mark_published(session, job.id)

    assert bench.job(job).next_attempt_at == next_look
    assert bench.job(job).published_at is not None


def test_a_source_that_never_settles_fails_the_job_and_says_what_to_do(bench: Bench) -> None:
    bench.put_dataset(settle=60)
    path = bench.write_rows(3)
    job = bench.make_job()
    plan(bench.worker, job.id)
    states = []
    for _ in range(bench.worker.settings.plan_max_attempts):
        _append(path)
        states.append(plan(bench.worker, job.id))

    assert states == ["queued"] * (len(states) - 1) + ["failed"]
    assert bench.job(job).error_code == "source-changing"
    assert "settle" in (bench.job(job).error_message or "")


def test_a_source_that_grows_before_its_deadline_uses_no_attempts(bench: Bench) -> None:
    """While it may still arrive, a slow sender is waited for as an absent one."""
    bench.put_dataset(settle=60, arrival=TWO_HOURS)
    path = bench.write_rows(3)
    job = bench.make_job()
    for _ in range(bench.worker.settings.plan_max_attempts + 2):
        _append(path)
        assert plan(bench.worker, job.id) == "queued"

    assert bench.job(job).attempt == 0


def test_a_short_settle_time_is_waited_for_at_once(bench: Bench) -> None:
    bench.put_dataset(settle=0.2)
    bench.write_rows(3)
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "running"
    assert bench.job(job).seen_identity is not None


def test_an_upload_need_not_settle(bench: Bench) -> None:
    bench.put_dataset(settle=60, done_file="{source}.done")
    bench.write_rows(3)
    job = bench.make_job(trigger=Trigger.UPLOAD)

    assert plan(bench.worker, job.id) == "running"


@pytest.mark.parametrize(
    ("done_file", "name"),
    [
        ("{source}.done", "items-[1].csv.done"),
        ("done/{data_date}.ok", "done/2026-01-02.ok"),
        ("done/{data_date-1d:%Y%m%d}.ok", "done/20260101.ok"),
    ],
)
def test_a_source_is_there_only_with_its_done_file(bench: Bench, done_file: str, name: str) -> None:
    """Then it is whole: how young it is does not matter."""
    bench.set(source_settle_seconds=3600)
    (bench.folder / "done").mkdir()
    bench.put_dataset(source="items-[1].csv", done_file=done_file, arrival=TWO_HOURS, settle=3600)
    bench.write_rows(3, "items-[1].csv")
    bench.write("", "items-1.csv.done")
    job = bench.make_job(data_date=date(2026, 1, 2))

    assert plan(bench.worker, job.id) == "waiting"
    bench.write("", name)

    assert plan(bench.worker, job.id) == "running"


@pytest.mark.parametrize("done_file", ["{source}.done", "READY"])
def test_a_done_file_of_an_earlier_source_says_nothing_of_this_one(
    bench: Bench, done_file: str
) -> None:
    """Seen before: yesterday's let half of today's file of the same name be loaded as whole."""
    bench.put_dataset(done_file=done_file, arrival=TWO_HOURS)
    source = bench.write_rows(3)
    done = bench.write("", done_file.replace("{source}", "items.csv"))
    now = source.stat().st_mtime
    os.utime(done, (now - 86_400, now - 86_400))
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "waiting"
    os.utime(done, (int(now), int(now)))  # a clock that counts seconds
    assert plan(bench.worker, job.id) == "running"


def test_a_missing_done_file_fails_the_job_with_its_name(bench: Bench) -> None:
    bench.put_dataset(done_file="{source}.done")
    path = bench.write_rows(3)
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "failed"

    failed = bench.job(job)
    assert failed.error_code == "source-missing"
    assert f"{path}.done" in (failed.error_message or "")


def test_a_done_file_lies_below_an_allowed_folder(bench: Bench) -> None:
    bench.put_dataset(done_file="/etc/passwd", arrival=TWO_HOURS)
    bench.write_rows(3)
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "failed"

    assert bench.job(job).error_code == "source-not-allowed"
