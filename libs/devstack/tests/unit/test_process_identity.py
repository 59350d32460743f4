"""A process is recognised for what it is, and only marked ones are ever ended."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from libs.devstack.process_identity import (
    MARK_VARIABLE,
    ProcessIdentity,
    end_marked_processes,
    marked_processes,
)
from libs.devstack.testing.waiting import wait_for

Sleeper = subprocess.Popen[bytes]


@pytest.fixture
def mark() -> str:
    """Give a mark that no other process carries."""
    return uuid.uuid4().hex


@pytest.fixture
def sleeper(mark: str) -> Iterator[Sleeper]:
    """Give a running process that carries the mark."""
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with subprocess.Popen(command, env={**os.environ, MARK_VARIABLE: mark}) as process:
        wait_for(lambda: marked_processes(mark), 10, "the process shows its mark")
        yield process
        process.kill()


def test_a_running_process_is_alive(sleeper: Sleeper) -> None:
    identity = ProcessIdentity.of(sleeper.pid)

    assert identity is not None
    assert identity.is_alive()


def test_a_zombie_and_a_missing_process_are_not_alive(sleeper: Sleeper) -> None:
    identity = ProcessIdentity.of(sleeper.pid)
    assert identity is not None
    sleeper.kill()

    wait_for(lambda: not identity.is_alive(), 10, "the killed process is gone")
    assert ProcessIdentity.of(sleeper.pid) is None
    sleeper.wait()
    assert ProcessIdentity.of(sleeper.pid) is None


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another boot"}])
def test_a_reused_pid_is_neither_alive_nor_signalled(
    sleeper: Sleeper, change: dict[str, int | str]
) -> None:
    identity = ProcessIdentity.of(sleeper.pid)
    assert identity is not None
    earlier = replace(identity, **change)  # type: ignore[arg-type]

    earlier.send(signal.SIGKILL)

    assert not earlier.is_alive()
    assert identity.is_alive()


def test_only_marked_processes_are_ended(sleeper: Sleeper, mark: str) -> None:
    assert end_marked_processes(uuid.uuid4().hex) == 0
    assert sleeper.poll() is None

    assert end_marked_processes(mark) == 1
    assert sleeper.wait(10) == -signal.SIGTERM
