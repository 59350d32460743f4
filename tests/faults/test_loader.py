"""A loader is killed, frozen or asked to stop in the middle of a COPY: the rows are there once."""

import signal
import subprocess
from typing import Any

import pytest

from libs.common.failpoints import FailPoint
from libs.common.messaging.names import SMALL_LOADS_QUEUE
from libs.devstack.testing.waiting import wait_for
from tests.faults.harness.cells import (
    LEASE_SECONDS,
    assert_loaded_once,
    children_at_work,
    family,
    loaders_at_work,
    make_cell,
    signal_all,
    unacknowledged,
)
from tests.faults.harness.clients import Accepted
from tests.faults.harness.machine import Machine

GRACE_SECONDS = 2.0


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
        FailPoint.MID_COPY,
        FailPoint.BEFORE_COMMIT,
        FailPoint.AFTER_COMMIT,
        FailPoint.BEFORE_ACKNOWLEDGE,
    ],
)
@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "chunked"])
def test_killed_at_a_crash_point_every_row_is_there_once(
    machine: Machine, point: FailPoint, *, atomic: bool
) -> None:
    cell = make_cell(machine, atomic=atomic)
    machine.arm(point)

    accepted = cell.submit()

    assert_loaded_once(machine, accepted)
    assert not (machine.tokens / point).exists()


@pytest.mark.parametrize(
    "point",
    [FailPoint.AFTER_STAGING, FailPoint.AFTER_COMPARISON, FailPoint.AFTER_CHANGES],
)
@pytest.mark.parametrize(
    "options", [{"mode": "replace"}, {"mode": "upsert", "key": ["sku"]}], ids=["replace", "upsert"]
)
def test_killed_while_it_compares_every_row_is_there_once(
    machine: Machine, point: FailPoint, options: dict[str, Any]
) -> None:
    """The table holds most of the rows before; nothing is left of what was staged."""
    cell = make_cell(machine, **options)
    rows = list(cell.feed.contents[0].rows)
    cell.fill(
        [
            *rows[:100],
            *[(sku, "of yesterday", price, n) for sku, _, price, n in rows[100:150]],
            *rows[150:-9],
        ]
    )
    machine.arm(point)

    accepted = cell.submit()

    assert_loaded_once(machine, accepted)
    assert not (machine.tokens / point).exists()
    counts = machine.system.query(
        "SELECT rows_inserted, rows_updated, rows_deleted, rows_unchanged FROM adsp.jobs WHERE id = %s",
        accepted.job_id,
    )
    assert counts == [(9, 50, 0, len(rows) - 59)]
    staged = "pg_class WHERE relnamespace = 'adsp_staging'::regnamespace"
    assert machine.system.count(staged) == 0


@pytest.mark.parametrize("who", ["all", "child"])
def test_frozen_in_its_copy_another_process_does_the_chunk_and_the_zombie_cannot_commit(
    machine: Machine, who: str
) -> None:
    """The lease (3 s here, 30 s outside) expires, the sweep ends the backend, whoever gets the message loads.

    That may be another child of the same loader. One whose children are all frozen keeps what it gets till it is
    sent again, a minute later.
    """
    cell = make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        [name] = loaders_at_work(machine)
        frozen = family(machine, name) if who == "all" else list(children_at_work(machine))
        signal_all(frozen, signal.SIGSTOP)
    wait_for(
        lambda: machine.system.count(
            f"adsp.jobs WHERE id = '{accepted.job_id}' AND finished_at IS NOT NULL"
        ),
        10 * LEASE_SECONDS,
        "another process has done the chunk while the first one is frozen",
    )
    signal_all(frozen, signal.SIGCONT)

    assert_loaded_once(machine, accepted)
    assert _attempts(machine, accepted) == [2]


def test_frozen_parent_its_child_goes_on_and_the_message_that_comes_again_does_nothing(
    machine: Machine,
) -> None:
    """The broker gives the message to the other loader after two heartbeats (3 s here, 30 s outside)."""
    cell = make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        [name] = loaders_at_work(machine)
        parent, *_ = family(machine, name)
        signal_all([parent], signal.SIGSTOP)
    cell.wait_over(60)
    wait_for(lambda: not unacknowledged(machine, SMALL_LOADS_QUEUE), 60, "the other one has had it")
    signal_all([parent], signal.SIGCONT)

    assert_loaded_once(machine, accepted)
    assert _attempts(machine, accepted) == [1]


def test_asked_to_stop_in_its_copy_it_ends_the_copy_first(machine: Machine) -> None:
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
    assert _attempts(machine, accepted) == [1]


def test_asked_to_stop_and_not_done_within_its_grace_the_copy_is_rolled_back_and_done_again(
    machine: Machine,
) -> None:
    """After the grace whoever supervises it kills it: `stop_grace_period` of Compose, 300 s for a loader."""
    cell = make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        [name] = loaders_at_work(machine)
        loader = machine.system.processes[name].process
        loader.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            loader.wait(GRACE_SECONDS)
        signal_all(family(machine, name), signal.SIGKILL)

    assert_loaded_once(machine, accepted)
    assert _attempts(machine, accepted) == [2]


def _attempts(machine: Machine, job: Accepted) -> list[int]:
    """Return how often each chunk of a job was begun."""
    rows = machine.system.query(
        "SELECT attempt FROM adsp.chunks WHERE job_id = %s ORDER BY number", job.job_id
    )
    return [attempt for (attempt,) in rows]
