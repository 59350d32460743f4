"""The shared stack is started once, joined by all, and gone soon after its last user ends."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from libs.devstack.addresses import StackAddresses
from libs.devstack.binaries import RABBITMQ_VARIABLE
from libs.devstack.errors import StackError
from libs.devstack.os_user import Account
from libs.devstack.ports import is_listening
from libs.devstack.probes import postgres_answers, rabbitmq_answers, redis_answers
from libs.devstack.process_identity import MARK_VARIABLE, ProcessIdentity, marked_processes
from libs.devstack.shared import shared_stack
from libs.devstack.shared_daemon import SharedFolder
from libs.devstack.testing.waiting import wait_for

_START_SECONDS = 120.0
_END_SECONDS = 30.0
_CLIENT = """
import signal, sys
from pathlib import Path
from libs.devstack.shared import shared_stack
with shared_stack(Path(sys.argv[1]), idle_seconds=0.5) as addresses:
    print(addresses.to_json().replace("\\n", ""), flush=True)
    signal.pause()
"""

Client = subprocess.Popen[str]


@pytest.fixture
def folder() -> Iterator[SharedFolder]:
    """Give a place for a stack of this test's own, which must be gone in the end."""
    place = SharedFolder(Path("/var/tmp") / f"adsp-daemon-{uuid.uuid4().hex[:8]}")
    yield place
    wait_for(lambda: not place.path.exists(), _END_SECONDS, "the stack is gone")


@contextmanager
def client_of(folder: SharedFolder) -> Iterator[Client]:
    """Run a process that uses the stack until it is killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _CLIENT, str(folder.path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as client:
        try:
            yield client
        finally:
            client.kill()


def addresses_of(client: Client) -> StackAddresses:
    """Return the addresses that a client was given, waiting for them."""
    assert client.stdout is not None
    return StackAddresses.of(json.loads(client.stdout.readline()))


def daemon_of(folder: SharedFolder) -> ProcessIdentity:
    """Return the daemon: the parent of the servers."""
    servers = marked_processes(folder.mark.read_text())
    parents = {
        Path(f"/proc/{one.pid}/stat").read_text().split(") ")[1].split()[1] for one in servers
    }
    identities = [ProcessIdentity.of(int(parent)) for parent in parents]
    outside = [one for one in identities if one is not None and one not in servers]
    assert len(outside) == 1
    return outside[0]


def test_two_at_once_share_one_stack_that_goes_when_both_are_killed(folder: SharedFolder) -> None:
    with client_of(folder) as first, client_of(folder) as second:
        addresses = addresses_of(first)
        assert addresses_of(second) == addresses
        assert postgres_answers(addresses)
        assert redis_answers(addresses)
        assert rabbitmq_answers(addresses)
        mark = folder.mark.read_text()
        owners = {Path(f"/proc/{one.pid}").stat().st_uid for one in marked_processes(mark)}
        assert owners == {Account.current().uid}

        first.send_signal(signal.SIGKILL)
        first.wait()
        with psycopg_connection(addresses) as still_served:
            assert still_served.closed == 0
        second.send_signal(signal.SIGKILL)
        second.wait()

        wait_for(lambda: not folder.path.exists(), _END_SECONDS, "the stack is gone")
    assert marked_processes(mark) == []
    assert not is_listening(addresses.postgres_port)


@contextmanager
def psycopg_connection(addresses: StackAddresses) -> Iterator["psycopg2.extensions.connection"]:
    """Open a connection as the owner of the database that every stack has."""
    connection = psycopg2.connect(addresses.postgres_dsn("owner"), connect_timeout=5)
    try:
        yield connection
    finally:
        connection.close()


def test_a_killed_daemon_takes_its_servers_along_and_is_replaced(folder: SharedFolder) -> None:
    with client_of(folder) as client:
        before = addresses_of(client)
        mark = folder.mark.read_text()
        daemon_of(folder).send(signal.SIGKILL)
        wait_for(lambda: not marked_processes(mark), _END_SECONDS, "the servers died with it")

        with shared_stack(folder.path, idle_seconds=0.5) as after:
            assert after != before
            assert postgres_answers(after)
            assert MARK_VARIABLE not in os.environ


def test_a_missing_rabbitmq_is_named_with_its_cure(
    folder: SharedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RABBITMQ_VARIABLE, "/nowhere/rabbitmq-server")

    with pytest.raises(StackError, match="apt-get install"), shared_stack(folder.path):
        pass
    # A stack that never started is left for study.
    assert folder.failure.exists()
    folder.remove()
