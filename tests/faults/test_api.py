"""The api is killed, frozen or cut off: a client that repeats its request with its key gets one job."""

import signal
import uuid

import httpx
import pytest

from libs.client.errors import ApiUnreachable
from libs.common.failpoints import FailPoint
from tests.faults.harness.cells import assert_loaded_once, at_most, make_cell
from tests.faults.harness.injection import cut_sessions
from tests.faults.harness.machine import Machine, send_signal

API_POINTS = [FailPoint.AFTER_INSERT, FailPoint.AFTER_PUBLISH, FailPoint.AFTER_CONFIRM]


@pytest.mark.parametrize("point", API_POINTS)
def test_killed_before_its_answer_the_same_key_makes_one_job(
    machine: Machine, point: FailPoint
) -> None:
    cell, key = make_cell(machine), uuid.uuid4().hex
    machine.arm(point)
    with pytest.raises(ApiUnreachable):
        cell.submit(key)
    machine.revive_dead("api")

    accepted = cell.submit(key)

    assert_loaded_once(machine, accepted)
    assert cell.count_jobs() == 1


def test_a_job_whose_client_never_came_back_is_loaded_all_the_same(machine: Machine) -> None:
    """Its row is the outbox entry: what is committed is done."""
    cell = make_cell(machine)
    machine.arm(FailPoint.AFTER_INSERT)
    with pytest.raises(ApiUnreachable):
        cell.submit(uuid.uuid4().hex)
    machine.revive_dead("api")

    [accepted] = cell.all()

    assert_loaded_once(machine, accepted)


def test_frozen_the_client_times_out_and_the_same_key_makes_one_job(machine: Machine) -> None:
    cell, key = make_cell(machine), uuid.uuid4().hex
    send_signal(machine.system.processes["api"].pid, signal.SIGSTOP)
    with at_most(3), pytest.raises(ApiUnreachable) as unanswered:
        cell.submit(key, timeout=1)
    machine.wake()

    accepted = cell.submit(key)

    assert_loaded_once(machine, accepted)
    assert isinstance(unanswered.value.__cause__, httpx.TimeoutException)
    assert cell.count_jobs() == 1


def test_its_pool_connects_again_after_every_connection_was_cut(machine: Machine) -> None:
    cell = make_cell(machine)
    cut_sessions(machine)

    accepted = cell.submit()

    assert_loaded_once(machine, accepted)
