"""The network does what the tests of faults believe: it carries, drops without a word, and goes with its process."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from libs.devstack.child_process import import_path
from libs.devstack.testing.waiting import wait_for
from tests.hosts.network import Host, Network, cut, missing_for_hosts, running_network

PORTS = (7001, 7002)
SECONDS = 1.5


@pytest.fixture
def network() -> Iterator[Network]:
    """Give two hosts; `b` listens on two ports."""
    if reason := missing_for_hosts():
        pytest.skip(reason)
    with running_network(["one", "two"]) as made:
        b = made.hosts["two"]
        with b.namespace.entered():
            servers = [socket.create_server((b.address, port)) for port in PORTS]
        yield made
        for server in servers:
            server.close()


def reaches(a: Host, b: Host, port: int) -> bool:
    """Return whether a connection is made; raise unless one that is not is met with silence."""
    with a.namespace.entered(), suppress(TimeoutError):
        socket.create_connection((b.address, port), timeout=SECONDS).close()
        return True
    return False


def test_a_cut_drops_one_port_without_a_word_until_it_is_healed(network: Network) -> None:
    a, b = network.hosts["one"], network.hosts["two"]
    before = [reaches(a, b, port) for port in PORTS]
    cut(a, b, PORTS[0])
    during = [reaches(a, b, port) for port in PORTS]
    network.heal()

    assert before == [True, True]
    assert during == [False, True]
    assert reaches(a, b, PORTS[0])


def test_a_host_that_is_unplugged_is_silent_on_every_port(network: Network) -> None:
    a, b = network.hosts["one"], network.hosts["two"]
    b.unplug()
    during = [reaches(a, b, port) for port in PORTS]
    b.plug()

    assert during == [False, False]
    assert reaches(a, b, PORTS[0])


def test_a_limit_holds_in_both_directions(network: Network) -> None:
    """A megabyte of 8 Mbit/s takes a second; the first piece passes at once."""
    a, b = network.hosts["one"], network.hosts["two"]
    a.limit(8)
    for sender, receiver in ((a, b), (b, a)):
        start = time.monotonic()
        _send(sender, receiver, 1_000_000)

        assert time.monotonic() - start > 0.8


def test_hosts_go_with_a_process_that_is_killed() -> None:
    if reason := missing_for_hosts():
        pytest.skip(reason)
    program = "from tests.hosts.network import running_network\n"
    program += "with running_network(['one']) as network:\n"
    program += "    with network.hosts['one'].namespace.entered():\n"
    program += "        import os; print(os.readlink('/proc/thread-self/ns/net'), flush=True)\n"
    program += "    input()\n"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=import_path() | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        during = _is_used(name)
        process.kill()

    wait_for(lambda: not _is_used(name), 10, "nobody has the namespace any more")
    assert during


def _send(sender: Host, receiver: Host, size: int) -> None:
    """Send so many bytes to a host and wait until it has them all."""
    with receiver.namespace.entered():
        server = socket.create_server((receiver.address, 0))
    with server, sender.namespace.entered():
        client = socket.create_connection(server.getsockname(), timeout=10)
        taken, _ = server.accept()
        with client, taken:
            client.setblocking(False)  # noqa: FBT003
            rest, received = memoryview(bytes(size)), 0
            while received < size:
                with suppress(BlockingIOError):
                    rest = rest[client.send(rest) :]
                taken.settimeout(10)
                received += len(taken.recv(1 << 16))


def _is_used(name: str) -> bool:
    """Return whether a process is in a network namespace or has a file of it."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            files = [process / "ns/net", *(process / "fd").iterdir()]
            if any(_leads_to(file) == name for file in files):
                return True
    return False


def _leads_to(file: Path) -> str:
    with suppress(OSError):
        return str(file.readlink())
    return ""
