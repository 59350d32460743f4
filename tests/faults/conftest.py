"""Give the tests of faults a machine to harm."""

from collections.abc import Iterator

import pytest

from tests.faults.machine import Machine, running_machine


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """Start servers and services of this process' own."""
    with running_machine() as started:
        yield started


@pytest.fixture(autouse=True)
def sound(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the machine whole for the next test, whatever became of this one."""
    yield
    if "machine" in request.fixturenames:
        machine: Machine = request.getfixturevalue("machine")
        machine.wake()
        machine.disarm()
        machine.revive()
        machine.system.wait_ready()
