"""RabbitMQ dies, freezes, loses its queues or raises an alarm: jobs are taken, and loaded when it is back."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from libs.common.messaging.names import WORK_QUEUES
from libs.devstack.addresses import VHOST
from libs.devstack.binaries import rabbitmq_server
from libs.devstack.management import call_management
from libs.devstack.testing.waiting import wait_for
from tests.faults.harness.cells import assert_loaded_once, at_most, make_cell
from tests.faults.harness.injection import purge
from tests.faults.harness.machine import Machine, send_signal

PUBLISH_BOUND = 2 * 2 + 3.0
"""Twice the publish timeout of these tests (2 s, 5 s outside), and the time of the request itself."""


@pytest.fixture(scope="module", autouse=True)
def settled_queues(machine: Machine) -> None:
    """Wait until RabbitMQ has the queues on its disk.

    RabbitMQ 3.10 that is killed within seconds of declaring a quorum queue comes back with one that answers nobody.
    """
    node = machine.server("RabbitMQ").command.folder
    [names] = node.glob("mnesia/*/quorum/*/names.dets")

    def are_kept() -> bool:
        kept = names.read_bytes()
        return all(f"{VHOST}_{queue}".encode() in kept for queue in WORK_QUEUES)

    wait_for(are_kept, 60, "the queues' names are on disk")


def test_killed_jobs_are_taken_and_drain_when_it_is_back(machine: Machine) -> None:
    cells = [make_cell(machine) for _ in range(3)]
    machine.kill_server("RabbitMQ")
    with at_most(len(cells) * PUBLISH_BOUND):
        accepted = [cell.submit() for cell in cells]
    machine.revive()

    assert_loaded_once(machine, *accepted)


def test_frozen_a_publish_is_bounded_and_the_answer_is_still_202(machine: Machine) -> None:
    cell = make_cell(machine)
    send_signal(machine.server("RabbitMQ").pid, signal.SIGSTOP)
    with at_most(PUBLISH_BOUND):
        accepted = cell.submit()
    machine.wake()

    assert_loaded_once(machine, accepted)


def test_purged_queues_are_filled_again_from_the_ledger(machine: Machine) -> None:
    cells = [make_cell(machine) for _ in range(3)]
    machine.system.processes["worker"].process.kill()
    machine.system.processes["worker"].process.wait(10)
    accepted = [cell.submit() for cell in cells]
    purge(machine)
    machine.revive()

    assert_loaded_once(machine, *accepted)


def test_deleted_queues_are_made_and_filled_again(machine: Machine) -> None:
    cell = make_cell(machine)
    for queue in WORK_QUEUES:
        call_management(machine.addresses, "DELETE", f"/api/queues/{VHOST}/{queue}")

    accepted = cell.submit()

    assert_loaded_once(machine, accepted)


@contextmanager
def _alarm(machine: Machine, *arguments: str, usual: str) -> Iterator[None]:
    """Let a resource of RabbitMQ seem to be short."""
    _rabbitmqctl(machine, *arguments)
    try:
        yield
    finally:
        _rabbitmqctl(machine, arguments[0], usual)


def _rabbitmqctl(machine: Machine, *arguments: str) -> None:
    command = machine.server("RabbitMQ").command
    subprocess.run(
        [rabbitmq_server().with_name("rabbitmqctl"), "--node", "adsp@localhost", *arguments],
        env=dict(command.environment),
        cwd=command.folder,
        check=True,
        capture_output=True,
        timeout=60,
        **command.account.popen_arguments(),
    )


@pytest.mark.parametrize(
    ("setting", "short", "usual"),
    [
        ("set_vm_memory_high_watermark", "0.000001", "0.4"),
        ("set_disk_free_limit", "1000000000000000", "50000000"),
    ],
    ids=["memory", "disk"],
)
def test_under_an_alarm_a_publish_is_bounded_and_the_job_is_loaded_afterwards(
    machine: Machine, setting: str, short: str, usual: str
) -> None:
    cell = make_cell(machine)
    with _alarm(machine, setting, short, usual=usual), at_most(PUBLISH_BOUND):
        accepted = cell.submit()

    assert_loaded_once(machine, accepted)
