"""Give the tests of faults a machine to harm."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness.machine import Machine, running_machine

_MOST_LINES = 80


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


@pytest.fixture(autouse=True)
def logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print what the services log during a test, which pytest shows when the test has failed."""
    if "machine" not in request.fixturenames:
        yield
        return
    machine: Machine = request.getfixturevalue("machine")
    starts = {log: log.stat().st_size for log in machine.service_logs}
    yield
    for log in machine.service_logs:
        print(f"--- {log.name}", *_lines_after(log, starts.get(log, 0)), sep="\n")


def _lines_after(log: Path, start: int) -> list[str]:
    """Return the last lines that were written after a place in a log."""
    with log.open(errors="replace") as lines:
        lines.seek(start)
        return [line.rstrip() for line in deque(lines, _MOST_LINES)]
