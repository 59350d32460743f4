"""The scheduler is killed, frozen or doubled, and clocks jump: one job for each due time."""

import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from libs.common.messaging.app import make_celery
from libs.common.messaging.names import DISPATCH_DUE
from libs.devstack.testing.waiting import wait_for
from services.worker.dependencies import WorkerContext, wire
from services.worker.dispatching import dispatch_due
from services.worker.settings import WorkerSettings
from tests.endtoend.system import QUICK
from tests.faults.harness.cells import Cell, assert_loaded_once, backlog_of_plans, make_cell
from tests.faults.harness.injection import purge
from tests.faults.harness.machine import Machine, send_signal

YEARLY = {"cron": "0 0 1 1 *", "time_zone": "UTC"}
"""Due once in the year that the tests let go by unseen."""
NIGHTLY = {"cron": "30 2 * * *", "time_zone": "Europe/Vienna"}
_TICK = re.compile(rf"Task {re.escape(DISPATCH_DUE)}\[(?P<id>[^]]+)] (?P<what>\w+)")
TICK_SECONDS = float(QUICK["ADSP_DISPATCH_SECONDS"])


def _scheduled(machine: Machine) -> Cell:
    return make_cell(machine, schedule=YEARLY, named_source=True)


def _miss_a_year(cell: Cell) -> None:
    """Let one due time lie between the last tick and now."""
    year = f"make_timestamptz({datetime.now(UTC).year}, 1, 1, 0, 0, 0, 'UTC')"
    cell.machine.system.execute(
        f"UPDATE adsp.datasets SET last_due_at = {year} - interval '1 day'"
        f" WHERE name = '{cell.feed.name}'"
    )


def _let_ticks_end(machine: Machine) -> None:
    """Drop the ticks that wait, and let the worker end what it has; the broker's own figures are seconds old."""
    purge(machine)
    time.sleep(TICK_SECONDS)  # what is on its way to the worker gets into its log
    wait_for(lambda: not _ticks_under_way(machine), 30, "the last ticks are done")


def _ticks_under_way(machine: Machine) -> set[str]:
    """Return the ids of the last ticks that the worker has begun and not ended; those of a killed one never end."""
    events = [line["event"] for line in machine.system.log_lines("worker")]
    ticks = [_TICK.match(event) for event in events]
    begun = [tick["id"] for tick in ticks if tick and tick["what"] == "received"]
    ended = {tick["id"] for tick in ticks if tick and tick["what"] != "received"}
    return {*begun[-2:]} - ended


def _expect_one_job(cell: Cell) -> None:
    wait_for(cell.count_jobs, 30, "the missed time has its job")
    assert_loaded_once(cell.machine, *cell.all())
    assert cell.count_jobs() == 1


def test_killed_the_next_tick_catches_up(machine: Machine) -> None:
    cell = _scheduled(machine)
    machine.system.processes["scheduler"].process.kill()
    machine.system.processes["scheduler"].process.wait(10)
    _miss_a_year(cell)
    machine.revive()

    _expect_one_job(cell)


def test_frozen_over_a_due_time_the_job_comes_late_and_once(machine: Machine) -> None:
    cell = _scheduled(machine)
    scheduler = machine.system.processes["scheduler"].pid
    send_signal(scheduler, signal.SIGSTOP)
    _let_ticks_end(machine)
    _miss_a_year(cell)
    with pytest.raises(AssertionError, match="nobody ticks"):
        wait_for(cell.count_jobs, 3 * TICK_SECONDS, "nobody ticks")
    send_signal(scheduler, signal.SIGCONT)

    _expect_one_job(cell)


def test_two_schedulers_make_one_job(machine: Machine) -> None:
    cell = _scheduled(machine)
    machine.system.start("scheduler-2")
    try:
        _miss_a_year(cell)

        _expect_one_job(cell)
    finally:
        machine.system.kill("scheduler-2")


def test_what_is_due_is_made_while_thousands_of_messages_wait_for_the_worker(
    machine: Machine,
) -> None:
    """A tick that waited behind them would be dropped as too old (1 s here, 60 s outside)."""
    cell = _scheduled(machine)
    with backlog_of_plans(machine) as count_plans:
        _miss_a_year(cell)
        wait_for(cell.count_jobs, 30, "the missed time has its job")
        left = count_plans()

    assert left > 0
    _expect_one_job(cell)


@pytest.fixture
def worker(machine: Machine) -> Iterator[WorkerContext]:
    """Give the deciding function a worker of its own, so that a test can tell it the time."""
    settings = WorkerSettings(
        database_url=machine.addresses.database_url("worker"),
        broker_url=machine.addresses.broker_url(),
        redis_url=machine.addresses.redis_url(),
    )
    with make_celery(settings, "worker") as celery:
        wired = wire(settings, celery)
        yield wired
        wired.dispatcher.close()
        wired.engine.dispose()


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_a_day_and_back_makes_one_job_for_a_due_time(
    machine: Machine, worker: WorkerContext, days: int
) -> None:
    cell = make_cell(
        machine, schedule={"cron": "30 2 * * *", "time_zone": "UTC"}, named_source=True
    )
    now = datetime.now(UTC)
    tomorrow = now + timedelta(days=1)
    times = [now, now + timedelta(days=days), now, tomorrow, tomorrow, now, tomorrow]

    for moment in times:
        dispatch_due(worker, moment)

    assert cell.count_jobs() == 1


@pytest.mark.parametrize("month", [3, 10], ids=["an hour is missing", "an hour comes twice"])
def test_the_night_of_the_clock_change_makes_one_job(
    machine: Machine, worker: WorkerContext, month: int
) -> None:
    """Half past two does not exist in one of them and comes twice in the other; ticks come all night, twice each.

    In next year, of which the scheduler that runs knows nothing.
    """
    night = _last_sunday(datetime.now(UTC).year + 1, month)
    cell = make_cell(machine, schedule=NIGHTLY, named_source=True)
    machine.system.execute(
        f"UPDATE adsp.datasets SET last_due_at = '{night - timedelta(hours=5):%Y-%m-%d %H:%M}+00'"
        f" WHERE name = '{cell.feed.name}'"
    )
    for minutes in range(-60, 4 * 60, 20):
        for _ in range(2):
            dispatch_due(worker, night + timedelta(minutes=minutes))

    dates = machine.system.query(
        "SELECT data_date FROM adsp.jobs WHERE dataset = %s", cell.feed.name
    )
    assert dates == [(night.date(),)]


def _last_sunday(year: int, month: int) -> datetime:
    """Return midnight (UTC) of the day on which Europe changes its clocks."""
    last = datetime(year, month, 31, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)
