"""The state that a supervisor writes is what the other commands read."""

from pathlib import Path

import pytest

from libs.devstack.addresses import Credentials, StackAddresses
from libs.devstack.process_identity import ProcessIdentity
from tools.local_env.layout import Layout
from tools.local_env.state import LocalState, Phase, ProcessRecord


@pytest.fixture
def identity() -> ProcessIdentity:
    """Give the identity of a process that surely runs: this one."""
    return ProcessIdentity.own()


def test_a_state_is_read_as_it_was_written(tmp_path: Path, identity: ProcessIdentity) -> None:
    layout = Layout(tmp_path)
    state = LocalState(
        phase=Phase.UP,
        supervisor=identity,
        api_url="http://127.0.0.1:1",
        addresses=StackAddresses(1, 2, 3, 4, 5, Credentials()),
        metrics={"worker": "http://127.0.0.1:2/metrics"},
        processes=[
            ProcessRecord("api", "address", "log", identity, restarts=1),
            ProcessRecord("worker", "address", "log", None, restarts=8, note="given up"),
        ],
    )
    state.write(layout)

    assert LocalState.read(layout) == state
    assert layout.state.stat().st_mode & 0o777 == 0o600


def test_no_state_is_none(tmp_path: Path) -> None:
    assert LocalState.read(Layout(tmp_path)) is None


def test_a_record_tells_how_its_process_is(identity: ProcessIdentity) -> None:
    assert ProcessRecord("a", "", "", identity, 0).condition() == "running"
    assert ProcessRecord("a", "", "", None, 0).condition() == "not running"
    assert ProcessRecord("a", "", "", None, 8, "given up").condition() == "given up"
