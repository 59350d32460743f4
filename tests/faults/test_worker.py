"""The worker is killed, frozen or asked to stop while it plans or finishes: the job goes on, once."""

import signal
import subprocess
from contextlib import ExitStack

import pytest

from libs.common.failpoints import FailPoint
from libs.common.messaging.names import JOBS_QUEUE
from libs.devstack.testing.waiting import wait_for
from tests.faults.harness.cells import (
    assert_loaded_once,
    backlog_of_plans,
    family,
    make_cell,
    signal_all,
    unacknowledged,
)
from tests.faults.harness.machine import Machine

GRACE_SECONDS = 2.0


@pytest.mark.parametrize("who", ["parent", "child"])
def test_killed_in_a_plan_the_job_is_planned_again(machine: Machine, who: str) -> None:
    cell = make_cell(machine)
    with cell.held_in_plan():
        accepted = cell.submit()
        cell.wait_held("worker")
        parent, *children = family(machine, "worker")
        signal_all([parent] if who == "parent" else children, signal.SIGKILL)

    assert_loaded_once(machine, accepted)


@pytest.mark.parametrize("point", [FailPoint.IN_FINISH, FailPoint.IN_EVENT_OUTBOX])
def test_killed_in_a_finish_the_job_ends_once(machine: Machine, point: FailPoint) -> None:
    cell = make_cell(machine)
    machine.arm(point)

    accepted = cell.submit()

    assert_loaded_once(machine, accepted)
    assert not (machine.tokens / point).exists()
    assert machine.system.count(f"adsp.events WHERE job_id = '{accepted.job_id}'") == 1


def test_frozen_in_a_plan_its_message_comes_again_and_the_zombie_does_no_harm(
    machine: Machine,
) -> None:
    """Frozen for longer than the broker's heartbeat (3 s here, 30 s outside), beside a second worker."""
    cell = make_cell(machine)
    frozen = family(machine, "worker")
    with cell.held_in_plan():
        accepted = cell.submit()
        cell.wait_held("worker")
        signal_all(frozen, signal.SIGSTOP)
    machine.system.start("worker-2")
    try:
        wait_for(
            lambda: unacknowledged(machine, JOBS_QUEUE), 30, "the broker waits for the frozen one"
        )
        wait_for(
            lambda: not unacknowledged(machine, JOBS_QUEUE), 60, "another one has had the message"
        )
        signal_all(frozen, signal.SIGCONT)

        assert_loaded_once(machine, accepted)
    finally:
        machine.system.kill("worker-2")


def test_frozen_child_its_job_is_late_and_loaded_once(machine: Machine) -> None:
    """It keeps its lock on the job, so that no other plans it meanwhile; other jobs go on."""
    cell, other = make_cell(machine), make_cell(machine)
    _, *children = family(machine, "worker")
    with cell.held_in_plan():
        accepted = cell.submit()
        cell.wait_held("worker")
        signal_all(children, signal.SIGSTOP)
    machine.system.start("worker-2")
    try:
        assert_loaded_once(machine, other.submit())
        assert cell.state_of(accepted) == "running"
        signal_all(children, signal.SIGCONT)

        assert_loaded_once(machine, accepted)
    finally:
        machine.system.kill("worker-2")


def test_a_job_ends_while_thousands_of_plans_wait(machine: Machine) -> None:
    """Who triggers many files sees the first of them loaded, not all at the very end."""
    cell = make_cell(machine)
    with ExitStack() as backlog:
        with cell.held_in_copy():
            accepted = cell.submit()
            cell.wait_held()
            count_plans = backlog.enter_context(backlog_of_plans(machine))
        cell.wait_over(30)
        left = count_plans()

    assert left > 0
    assert_loaded_once(machine, accepted)


def test_asked_to_stop_in_a_plan_it_ends_the_plan_first(machine: Machine) -> None:
    cell = make_cell(machine)
    with cell.held_in_plan():
        accepted = cell.submit()
        cell.wait_held("worker")
        process = machine.system.processes["worker"].process
        process.send_signal(signal.SIGTERM)
        assert process.poll() is None
    process.wait(20)

    assert machine.system.count(f"adsp.chunks WHERE job_id = '{accepted.job_id}'") > 0
    assert_loaded_once(machine, accepted)


def test_asked_to_stop_and_not_done_within_its_grace_the_plan_is_given_back(
    machine: Machine,
) -> None:
    """It is killed then; its message comes again, and the plan is begun a second time."""
    cell = make_cell(machine)
    with cell.held_in_plan():
        accepted = cell.submit()
        cell.wait_held("worker")
        worker = machine.system.processes["worker"].process
        worker.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(GRACE_SECONDS)
        signal_all(family(machine, "worker"), signal.SIGKILL)

    assert_loaded_once(machine, accepted)
    [(attempt,)] = machine.system.query(
        "SELECT attempt FROM adsp.jobs WHERE id = %s", accepted.job_id
    )
    assert attempt == 2
