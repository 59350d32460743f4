"""The primary of Postgres is lost and its standby takes its place: no committed row is lost, none is loaded twice.

All services have a URL of both servers. Replication is synchronous but where a test says otherwise.
"""

import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest

from libs.client.errors import ApiUnreachable, NotFound, RefusedRequest
from libs.devstack.testing.waiting import wait_for
from tests.faults.harness.cells import Cell, assert_loaded_once, make_cell
from tests.faults.harness.checker import run_seeds
from tests.faults.harness.clients import Accepted
from tests.faults.harness.failover import VARIABLES, choose_failovers
from tests.faults.harness.machine import Machine
from tests.faults.harness.replication import Pair, replicated_machine

SEEDS = 1
KEY = "0d8b1c56-7f5f-4a55-9d6e-6f1f4e2d9a01"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Machine, Pair]]:
    with replicated_machine(VARIABLES) as both:
        yield both


@pytest.fixture(scope="module")
def machine(running: tuple[Machine, Pair]) -> Machine:
    return running[0]


@pytest.fixture
def pair(running: tuple[Machine, Pair]) -> Iterator[Pair]:
    """Give the two servers, the standby following, and let it follow for the next test."""
    _, pair = running
    pair.rejoin()
    yield pair
    pair.standby.signal_all(signal.SIGCONT)
    pair.fence()


def test_lost_in_the_middle_of_a_load_and_a_plan_both_are_done_again(
    machine: Machine, pair: Pair
) -> None:
    loading, planned = make_cell(machine, atomic=False), make_cell(machine)
    with loading.held_in_copy():
        loaded = loading.submit()
        loading.wait_held()
        with planned.held_in_plan():
            job = planned.submit()
            planned.wait_held("worker")
            pair.fail_over()

    assert_loaded_once(machine, loaded, job)


def test_lost_when_all_is_loaded_the_job_ends_all_the_same(machine: Machine, pair: Pair) -> None:
    cell = make_cell(machine)
    with closing(psycopg2.connect(machine.system.database.dsn_for("owner"))) as other:
        with cell.held_in_copy():
            accepted = cell.submit()
            cell.wait_held()
            with other.cursor() as cursor:
                cursor.execute("LOCK TABLE adsp.events IN SHARE MODE")  # no job can be ended
        cell.wait_held("worker")
        pair.fail_over()

    assert_loaded_once(machine, accepted)


@pytest.mark.parametrize("arrives", [True, False], ids=["kept", "lost"])
def test_a_commit_whose_answer_is_lost_counts_if_the_standby_has_it(
    machine: Machine, pair: Pair, *, arrives: bool
) -> None:
    """The standby stops before the load commits; then it gets the rest, or nothing more."""
    cell = make_cell(machine, rows=200)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        pair.standby.signal_all(signal.SIGSTOP)
    wait_for(lambda: _waits_for_standby(pair, "loader"), 30, "the load waits for the standby")
    if arrives:
        pair.wait_sent()
    else:
        pair.kill(pair.standby)
    pair.kill(pair.primary)
    if arrives:
        pair.standby.signal_all(signal.SIGCONT)
        rows = f"SELECT 1 FROM {cell.feed.table} LIMIT 1"
        wait_for(lambda: pair.standby.run(rows, database="adsp"), 30, "it has the commit")
    else:
        pair.start_standby()
    pair.promote()
    was_kept = _is_done(machine, accepted)

    assert_loaded_once(machine, accepted)
    assert was_kept == arrives


def test_a_silent_primary_is_left_for_the_new_one(machine: Machine, pair: Pair) -> None:
    """It vanishes without a word, as when a machine or a network goes; what was committed there alone is void."""
    cell, other = make_cell(machine), make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        pair.isolate_primary()
    taken = wait_for(lambda: _submitted(other), 40, "the api takes jobs from the new primary")
    pair.fence()

    assert_loaded_once(machine, accepted, *taken)


def test_without_synchronous_replication_a_job_is_lost_as_a_whole_or_not_at_all(
    machine: Machine, pair: Pair
) -> None:
    """Ledger and rows are one transaction: they never contradict each other, and the file can be sent again."""
    cell = make_cell(machine)
    pair.synchronous = False
    pair.follow()
    pair.lose_standby()
    lost = cell.submit(KEY)
    assert_loaded_once(machine, lost)
    pair.kill(pair.primary)
    pair.start_standby()
    pair.promote()
    pair.synchronous = True
    machine.system.wait_ready()
    with machine.system.client as client, pytest.raises(NotFound):
        client.job(lost.job_id)
    rows = machine.system.count(cell.feed.table)
    again = cell.submit(KEY)

    assert rows == 0
    assert_loaded_once(machine, again)


def test_failovers_in_the_middle_of_everything_lose_nothing(
    machine: Machine, pair: Pair, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Other seeds each time. `./dev faults --failover --seed N --seeds 1` does one again."""
    first = secrets.randbelow(1_000_000)
    report = run_seeds(machine, range(first, first + SEEDS), choose=choose_failovers(pair))
    print(report)
    record_testsuite_property("failovers", report)

    assert report.verdict.is_clean, str(report)
    assert pair.failovers >= SEEDS


def _is_done(machine: Machine, accepted: Accepted) -> bool:
    return bool(
        machine.system.count(
            f"adsp.chunks WHERE job_id = '{accepted.job_id}' AND attempt = 1 AND state = 'done'"
        )
    )


def _waits_for_standby(pair: Pair, role: str) -> bool:
    return bool(
        pair.primary.run(
            "SELECT 1 FROM pg_stat_activity"
            f" WHERE usename = 'adsp_{role}' AND wait_event = 'SyncRep'"
        )
    )


def _submitted(cell: Cell) -> list[Accepted]:
    """Submit a job, unless the api refuses it for now."""
    try:
        return [cell.submit()]
    except (RefusedRequest, ApiUnreachable):
        return []
