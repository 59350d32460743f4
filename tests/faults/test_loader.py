"""A loader is killed, frozen or told to stop in the middle of a COPY: the rows are there once."""

import signal

import pytest

from libs.common.crash_points import CrashPoint
from libs.common.testing.waiting import wait_for
from tests.faults.cells import (
    LEASE_SECONDS,
    assert_loaded_once,
    family,
    loaders_at_work,
    make_cell,
    signal_all,
)
from tests.faults.machine import Machine


@pytest.mark.parametrize("who", ["parent", "child"])
def test_killed_in_its_copy_the_rows_are_rolled_back_and_loaded_again(
    machine: Machine, who: str
) -> None:
    cell = make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        [name] = loaders_at_work(machine)
        parent, *children = family(machine, name)
        signal_all([parent] if who == "parent" else children, signal.SIGKILL)

    assert_loaded_once(machine, accepted)


@pytest.mark.parametrize(
    "point",
    [
        CrashPoint.MID_COPY,
        CrashPoint.BEFORE_COMMIT,
        CrashPoint.AFTER_COMMIT,
        CrashPoint.BEFORE_ACKNOWLEDGE,
    ],
)
@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "chunked"])
def test_killed_at_a_crash_point_every_row_is_there_once(
    machine: Machine, point: CrashPoint, *, atomic: bool
) -> None:
    cell = make_cell(machine, atomic=atomic)
    machine.arm(point)

    accepted = cell.submit()

    assert_loaded_once(machine, accepted)
    assert not (machine.tokens / point).exists()


def test_frozen_in_its_copy_another_loader_does_the_chunk_and_the_zombie_cannot_commit(
    machine: Machine,
) -> None:
    """The lease (3 s here, 30 s outside) expires, the sweep ends the backend, the other one loads."""
    cell = make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        [name] = loaders_at_work(machine)
        frozen = family(machine, name)
        signal_all(frozen, signal.SIGSTOP)
    wait_for(
        lambda: machine.system.count(
            f"adsp.jobs WHERE id = '{accepted.job_id}' AND finished_at IS NOT NULL"
        ),
        10 * LEASE_SECONDS,
        "the other loader has done the chunk while the first one is frozen",
    )
    signal_all(frozen, signal.SIGCONT)

    assert_loaded_once(machine, accepted)
    [(attempt,)] = machine.system.query(
        "SELECT attempt FROM adsp.chunks WHERE job_id = %s", accepted.job_id
    )
    assert attempt == 2


def test_told_to_stop_in_its_copy_it_ends_the_copy_first(machine: Machine) -> None:
    cell = make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        [name] = loaders_at_work(machine)
        process = machine.system.processes[name].process
        process.send_signal(signal.SIGTERM)
        assert process.poll() is None
    process.wait(20)

    assert_loaded_once(machine, accepted)
    [(attempt,)] = machine.system.query(
        "SELECT attempt FROM adsp.chunks WHERE job_id = %s", accepted.job_id
    )
    assert attempt == 1
