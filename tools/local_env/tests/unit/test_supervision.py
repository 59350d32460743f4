"""A process that ends is started again, after a pause, and not for ever."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libs.devstack.child_process import ChildProcess, Command
from libs.devstack.os_user import Account
from libs.devstack.testing.waiting import wait_for
from tools.local_env.supervision import MAX_RESTARTS, Supervised

Supervise = Callable[..., Supervised]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Give a function that starts a shell command under supervision."""
    started: list[Supervised] = []

    def start(script: str, first_pause_seconds: float = 0.0) -> Supervised:
        command = Command(
            name="script",
            arguments=["/bin/sh", "-c", script],
            environment={},
            folder=tmp_path,
            log=tmp_path / "log",
            account=Account(os.geteuid(), os.getegid()),
        )
        one = Supervised(command, "", ChildProcess.start(command))
        one.first_pause_seconds = first_pause_seconds
        started.append(one)
        return one

    yield start
    for one in started:
        one.child.stop(5)


def test_a_running_process_is_left_alone(supervise: Supervise) -> None:
    one = supervise("exec sleep 600")

    assert not one.look_after()
    assert (one.restarts, one.note()) == (0, "")


def test_a_killed_process_is_started_again(supervise: Supervise) -> None:
    one = supervise("exec sleep 600")
    before = one.child.pid
    one.child.process.kill()

    wait_for(lambda: one.look_after() and one.restarts, 10, "it is started again")
    assert one.child.is_alive()
    assert one.child.pid != before


def test_a_pause_comes_before_a_restart(supervise: Supervise) -> None:
    one = supervise("exit 7", first_pause_seconds=600)

    wait_for(one.look_after, 10, "its end is noticed")
    assert one.note() == "restarting (ended with status 7)"
    assert not one.look_after()
    assert one.restarts == 0


def test_a_process_that_never_stays_up_is_given_up(supervise: Supervise, tmp_path: Path) -> None:
    one = supervise("echo run >> runs")

    wait_for(lambda: (one.look_after(), one.given_up)[1], 30, "it is given up")
    assert one.note() == f"given up after {MAX_RESTARTS} restarts"
    assert len((tmp_path / "runs").read_text().splitlines()) == 1 + MAX_RESTARTS
