"""Valkey dies, freezes, is emptied or full: no job waits for it, no job is lost."""

import signal

import redis

from libs.common.failpoints import FailPoint
from tests.faults.harness.cells import assert_loaded_once, at_most, make_cell
from tests.faults.harness.injection import flush
from tests.faults.harness.machine import Machine, send_signal


def test_killed_jobs_are_taken_and_loaded_without_it(machine: Machine) -> None:
    cell = make_cell(machine)
    machine.kill_server("Valkey")
    with at_most(5):
        accepted = cell.submit()

    cell.wait_over(60)  # before `assert_loaded_once` starts it again
    assert not machine.server("Valkey").is_alive()
    assert_loaded_once(machine, accepted)


def test_frozen_nothing_blocks(machine: Machine) -> None:
    cell = make_cell(machine)
    send_signal(machine.server("Valkey").pid, signal.SIGSTOP)
    with at_most(5):
        accepted = cell.submit()

    cell.wait_over(60)
    assert_loaded_once(machine, accepted)


def test_emptied_while_jobs_are_under_way_nothing_is_lost(machine: Machine) -> None:
    cell = make_cell(machine)
    with cell.held_in_copy():
        accepted = cell.submit()
        cell.wait_held()
        flush(machine)

    assert_loaded_once(machine, accepted)


def test_without_memory_left_nothing_is_lost(machine: Machine) -> None:
    """It then refuses every write; the results are lost, and a loader that dies meanwhile is made up for."""
    cell = make_cell(machine)
    with redis.Redis.from_url(machine.addresses.redis_url()) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        try:
            machine.arm(FailPoint.AFTER_COMMIT)
            accepted = cell.submit()
            cell.wait_over(60)
        finally:
            client.config_set("maxmemory", "0")

    assert_loaded_once(machine, accepted)
