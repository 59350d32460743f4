"""The worker is killed, frozen or told to stop while it plans or finishes: the job goes on, once."""

import signal

import pytest

from libs.common.crash_points import CrashPoint
from libs.common.messaging.names import JOBS_QUEUE
from libs.common.stack.addresses import VHOST
from libs.common.stack.management import call_management
from libs.common.testing.waiting import wait_for
from tests.faults.cells import assert_loaded_once, family, make_cell, signal_all
from tests.faults.machine import Machine


@pytest.mark.parametrize("who", ["parent", "child"])
def test_killed_in_a_plan_the_job_is_planned_again(machine: Machine, who: str) -> None:
    cell = make_cell(machine)
    with cell.held_in_plan():
        accepted = cell.submit()
        cell.wait_held("worker")
        parent, *children = family(machine, "worker")
        signal_all([parent] if who == "parent" else children, signal.SIGKILL)

    assert_loaded_once(machine, accepted)


@pytest.mark.parametrize("point", [CrashPoint.IN_FINISH, CrashPoint.IN_EVENT_OUTBOX])
def test_killed_in_a_finish_the_job_ends_once(machine: Machine, point: CrashPoint) -> None:
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
        wait_for(lambda: _unacknowledged(machine), 30, "the broker waits for the frozen one")
        wait_for(lambda: not _unacknowledged(machine), 60, "another one has had the message")
        signal_all(frozen, signal.SIGCONT)

        assert_loaded_once(machine, accepted)
    finally:
        machine.system.kill("worker-2")


def _unacknowledged(machine: Machine) -> int:
    queue = call_management(machine.addresses, "GET", f"/api/queues/{VHOST}/{JOBS_QUEUE}")
    return int(queue.get("messages_unacknowledged", 0))


def test_told_to_stop_in_a_plan_it_ends_the_plan_first(machine: Machine) -> None:
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
