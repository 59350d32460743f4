"""The servers start private, stop without a trace, and keep their data when they are durable."""

import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libs.devstack.addresses import Credentials
from libs.devstack.child_process import ChildProcess, Command
from libs.devstack.cluster import administration
from libs.devstack.errors import ServerFailedError
from libs.devstack.os_user import Account
from libs.devstack.process_identity import ProcessIdentity
from libs.devstack.servers import RunningServers, StackPlan, start_servers
from libs.devstack.testing.waiting import wait_for

_PARENT = """
import signal, sys
from pathlib import Path
from libs.devstack.os_user import Account
from libs.devstack.child_process import ChildProcess, Command
folder = Path(sys.argv[1])
account = Account.current()
child = ChildProcess.start(
    Command("sleep", ["/bin/sleep", "600"], {}, Path("/"), folder / "log", account)
)
print(child.pid, flush=True)
signal.pause()
"""


@contextmanager
def planned() -> Iterator[StackPlan]:
    """Give a plan in a folder that the servers' account can enter."""
    folder = Path("/var/tmp") / f"adsp-servers-{uuid.uuid4().hex[:8]}"
    yield StackPlan(folder, folder / "logs", durable=True, credentials=Credentials())
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def plan() -> Iterator[StackPlan]:
    with planned() as plan:
        yield plan


@pytest.fixture(scope="module")
def servers() -> Iterator[RunningServers]:
    """Give servers to look at."""
    with planned() as plan, running(plan) as started:
        yield started


@contextmanager
def running(plan: StackPlan) -> Iterator[RunningServers]:
    """Run the servers of a plan."""
    servers = start_servers(plan)
    try:
        yield servers
    finally:
        servers.stop()


def test_a_durable_stack_keeps_its_data(plan: StackPlan) -> None:
    with running(plan) as servers, administration(servers.addresses, "adsp") as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with running(plan) as servers, administration(servers.addresses, "adsp") as cursor:
        cursor.execute("SELECT answer FROM kept")

        assert cursor.fetchall() == [(42,)]


def test_servers_listen_on_loopback_only(servers: RunningServers) -> None:
    listening = servers.addresses
    for port in (listening.postgres_port, listening.redis_port, listening.broker_port):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=5)


def test_stopping_leaves_no_process(plan: StackPlan) -> None:
    with running(plan) as servers:
        identities = [child.identity() for child in servers.children]
        assert all(identity is not None and identity.is_alive() for identity in identities)

    assert not any(identity is not None and identity.is_alive() for identity in identities)


def test_a_dead_server_is_noticed(servers: RunningServers) -> None:
    assert servers.dead() == []
    victim = next(child for child in servers.children if child.command.name == "Valkey")
    victim.process.kill()

    wait_for(servers.dead, 10, "its end is noticed")
    assert servers.dead() == [victim]


def test_a_child_dies_with_its_killed_parent(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = ProcessIdentity.of(int(parent.stdout.readline()))
        assert child is not None
        assert child.is_alive()

        parent.kill()
        wait_for(lambda: not child.is_alive(), 10, "the child died too")


def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    command = Command(
        name="Failing",
        arguments=["/bin/sh", "-c", "echo the reason; exit 3"],
        environment={},
        folder=tmp_path,
        log=tmp_path / "log",
        account=Account(os.geteuid(), os.getegid()),
    )
    child = ChildProcess.start(command)

    with pytest.raises(ServerFailedError, match=r"(?s)Failing ended with status 3.*the reason"):
        child.wait_ready(lambda: False, 10)
