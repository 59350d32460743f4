"""Messages that come too often, mean nothing or are no messages: one load, or a dead letter."""

import json
import os
import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from libs.common.messaging.amqp import broker_parameters
from libs.common.messaging.names import (
    FINISH,
    FINISHES_QUEUE,
    JOBS_QUEUE,
    LOAD_CHUNK,
    LOAD_QUEUE,
    PLAN,
    WORK_QUEUES,
)
from libs.devstack.testing.waiting import wait_for
from tests.faults.harness.cells import assert_loaded_once, family, make_cell
from tests.faults.harness.injection import purge
from tests.faults.harness.machine import Machine

TIMES = 5
CONSUMERS = ("worker", "loader-1", "loader-2")


@pytest.fixture
def nobody_dies(machine: Machine) -> Iterator[None]:
    """See that no message ends a worker or a loader, parent or child."""
    before = {name: family(machine, name) for name in CONSUMERS}
    yield
    after = {name: family(machine, name) for name in CONSUMERS}

    assert after == before


def _publish(
    machine: Machine,
    queue: str,
    body: bytes,
    headers: dict[str, Any],
    content_type: str = "application/json",
) -> None:
    """Put a message into a queue as whoever can reach the broker may."""
    connection = pika.BlockingConnection(broker_parameters(machine.addresses.broker_url()))
    channel = connection.channel()
    properties = pika.BasicProperties(
        content_type=content_type, content_encoding="utf-8", headers=headers
    )
    channel.basic_publish("", routing_key=queue, body=body, properties=properties)
    connection.close()


def _send(machine: Machine, queue: str, task: str, **arguments: Any) -> None:
    """Send a task as Celery does."""
    headers = {"task": task, "id": uuid.uuid4().hex, "lang": "py"}
    body = json.dumps([[], arguments, {"callbacks": None, "errbacks": None, "chain": None}])
    _publish(machine, queue, body.encode(), headers)


@pytest.mark.parametrize("when", ["under way", "over"])
def test_the_same_messages_five_times_make_one_load(machine: Machine, when: str) -> None:
    cell = make_cell(machine)
    accepted = cell.submit()
    if when == "over":
        assert_loaded_once(machine, accepted)
    for _ in range(TIMES):
        _send(machine, JOBS_QUEUE, PLAN, job_id=accepted.job_id)
        _send(machine, LOAD_QUEUE, LOAD_CHUNK, job_id=accepted.job_id, number=0)
        _send(machine, FINISHES_QUEUE, FINISH, job_id=accepted.job_id)
    after = make_cell(machine)

    assert_loaded_once(machine, after.submit())  # it stands behind the others in the queues
    assert_loaded_once(machine, accepted)


@pytest.mark.usefixtures("nobody_dies")
def test_unknown_ids_are_passed_over(machine: Machine) -> None:
    unknown = str(uuid.uuid4())
    _send(machine, JOBS_QUEUE, PLAN, job_id=unknown)
    _send(machine, FINISHES_QUEUE, FINISH, job_id=unknown)
    _send(machine, LOAD_QUEUE, LOAD_CHUNK, job_id=unknown, number=0)
    cell = make_cell(machine)

    assert_loaded_once(machine, cell.submit())


@pytest.mark.usefixtures("nobody_dies")
@pytest.mark.parametrize(
    "body",
    [b"\x00\xff garbage", b"", b"[]", b'{"job_id": 1}', b'[["x"], {}, {}]', b"[" * 100_000],
    ids=["bytes", "empty", "empty list", "object", "wrong arguments", "deep"],
)
def test_garbage_does_no_harm(machine: Machine, body: bytes) -> None:
    for queue in WORK_QUEUES:
        _publish(machine, queue, body, {})
        _publish(machine, queue, body, {"task": LOAD_CHUNK, "id": uuid.uuid4().hex})
    cell = make_cell(machine)

    assert_loaded_once(machine, cell.submit())


class _Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        """Have whoever unpickles this make the file."""
        return os.mkdir, (str(self._mark),)


@pytest.mark.usefixtures("nobody_dies")
def test_code_in_a_message_is_never_run(machine: Machine, tmp_path: Path) -> None:
    """A pickle is dead-lettered unread, whatever it is declared as."""
    mark = tmp_path / "mark"
    body = pickle.dumps(([], {"job_id": _Trap(mark)}, {}))
    for content_type in ("application/x-python-serialize", "application/json"):
        for queue, task in ((JOBS_QUEUE, PLAN), (LOAD_QUEUE, LOAD_CHUNK)):
            headers = {"task": task, "id": uuid.uuid4().hex}
            _publish(machine, queue, body, headers, content_type)
    cell = make_cell(machine)

    assert_loaded_once(machine, cell.submit())
    assert not mark.exists()
    pickle.loads(body)  # noqa: S301  # our own: the trap works
    assert mark.exists()


@pytest.mark.usefixtures("nobody_dies")
@pytest.mark.parametrize(
    "arguments",
    [{"job_id": 7, "number": 0}, {"job_id": "x", "number": "y"}, {"number": None}, {"other": []}],
)
def test_arguments_of_wrong_types_do_no_harm(machine: Machine, arguments: dict[str, Any]) -> None:
    _send(machine, LOAD_QUEUE, LOAD_CHUNK, **arguments)
    _send(machine, JOBS_QUEUE, PLAN, **arguments)
    _send(machine, FINISHES_QUEUE, FINISH, **arguments)
    cell = make_cell(machine)

    assert_loaded_once(machine, cell.submit())


def test_a_message_that_cannot_be_handled_marks_its_job(machine: Machine) -> None:
    """A task that nobody has, with a job's id: dead-lettered, and the job fails with the reason."""
    cell = make_cell(machine)
    machine.system.processes["worker"].process.kill()
    machine.system.processes["worker"].process.wait(10)
    accepted = cell.submit()
    purge(machine)
    body = json.dumps([[], {"job_id": accepted.job_id}, {}]).encode()
    _publish(machine, JOBS_QUEUE, body, {"task": "jobs.unknown", "id": uuid.uuid4().hex})
    machine.revive()

    wait_for(lambda: cell.state_of(accepted) == "failed", 60, "the job is marked")
    [(code,)] = machine.system.query(
        "SELECT error_code FROM adsp.jobs WHERE id = %s", accepted.job_id
    )
    assert code == "dead-letter"
