"""Make hosts of namespaces: each has one address on one switch, and links that can be slow, cut or pulled out."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.hosts.namespaces import Namespace

_SUBNET = "198.18.0"
"""Of the block for tests of networks (RFC 2544); nobody outside of the namespaces sees it."""
_SWITCH = "switch0"
_BURST, _QUEUE = "32kb", "100ms"
_PROGRAMS = ("ip", "tc", "iptables")


def missing_for_hosts() -> str | None:
    """Say what this machine lacks to make hosts, None when it has all."""
    lacking = [program for program in _PROGRAMS if shutil.which(program) is None]
    if lacking:
        return f"hosts need {', '.join(lacking)} (packages iproute2 and iptables)"
    if os.geteuid() != 0:
        return "hosts are namespaces of the kernel, which root alone may make"
    try:
        Namespace("probe").close()
    except OSError as exc:
        return f"the kernel makes no network namespace here: {exc}"
    return None


@dataclass
class Host:
    """A host of the network: run things in `namespace`, reach them at `address`."""

    name: str
    address: str
    namespace: Namespace = field(repr=False)
    _switch: Namespace = field(repr=False)

    def limit(self, mbit: float) -> None:
        """Let no more than so many megabits a second pass, in either direction."""
        shape = f"root tbf rate {mbit}mbit burst {_BURST} latency {_QUEUE}"
        _run(self._switch, f"tc qdisc replace dev {self.name} {shape}")
        _run(self.namespace, f"tc qdisc replace dev eth0 {shape}")

    def unlimit(self) -> None:
        """Let pass what the machine can."""
        for namespace, device in ((self._switch, self.name), (self.namespace, "eth0")):
            _run(namespace, f"tc qdisc del dev {device} root", check=False)

    def unplug(self) -> None:
        """Pull the cable: no packet comes or goes, and nobody hears that."""
        _run(self._switch, f"ip link set dev {self.name} down")

    def plug(self) -> None:
        """Put the cable back."""
        _run(self._switch, f"ip link set dev {self.name} up")

    def drop_from(self, other: "Host", port: int) -> None:
        """Take no packet that another host sends from or to a port, and say nothing of it."""
        for end in ("--sport", "--dport"):
            _run(
                self.namespace, f"iptables -A INPUT -s {other.address} -p tcp {end} {port} -j DROP"
            )

    def take_all(self) -> None:
        """Take every packet again."""
        _run(self.namespace, "iptables -F INPUT")


@dataclass
class Network:
    """A switch and its hosts; who is in `switch` reaches them all."""

    switch: Namespace
    hosts: dict[str, Host] = field(default_factory=dict)

    def heal(self) -> None:
        """Plug in and let through everything."""
        for host in self.hosts.values():
            host.take_all()
            host.plug()


def cut(one: Host, other: Host, port: int) -> None:
    """Let two hosts hear nothing more from each other about a port of one of them."""
    one.drop_from(other, port)
    other.drop_from(one, port)


@contextmanager
def running_network(names: Iterable[str]) -> Iterator[Network]:
    """Make a host for each name (15 letters at most) and connect them."""
    with ExitStack() as stack:
        switch = _make_namespace(stack, "switch")
        _run(switch, f"ip link add name {_SWITCH} address {_hardware(1)} type bridge")
        _run(switch, f"ip address add {_SUBNET}.1/24 dev {_SWITCH}")
        _run(switch, f"ip link set dev {_SWITCH} up")
        network = Network(switch)
        for number, name in enumerate(names, start=2):
            namespace = _make_namespace(stack, name)
            network.hosts[name] = Host(name, f"{_SUBNET}.{number}", namespace, switch)
            _connect(network.hosts[name], number)
        _introduce(network)
        yield network


def _make_namespace(stack: ExitStack, name: str) -> Namespace:
    namespace = Namespace(name)
    stack.callback(namespace.close)
    _run(namespace, "ip link set dev lo up")
    return namespace


def _connect(host: Host, number: int) -> None:
    """Lay a cable between a host and the switch."""
    switch, inside = host._switch, host.namespace
    ends = f"peer name eth0 address {_hardware(number)} netns {inside.network}"
    _run(switch, f"ip link add name {host.name} type veth {ends}")
    _run(switch, f"ip link set dev {host.name} master {_SWITCH} up")
    _run(inside, f"ip address add {host.address}/24 dev eth0")
    _run(inside, "ip link set dev eth0 up")


def _introduce(network: Network) -> None:
    """Let everybody know everybody's hardware, as behind a router: who is gone is silent, not without a route."""
    numbers = range(1, len(network.hosts) + 2)
    known = [f"{_SUBNET}.{number} lladdr {_hardware(number)}" for number in numbers]
    everybody = [(network.switch, _SWITCH)]
    everybody += [(host.namespace, "eth0") for host in network.hosts.values()]
    for own, (namespace, device) in enumerate(everybody):
        others = [each for number, each in enumerate(known) if number != own]
        lines = [f"neighbour replace {each} dev {device} nud permanent" for each in others]
        _run(namespace, "ip -batch -", "\n".join(lines))


def _hardware(number: int) -> str:
    """Return the hardware address of a host, or of the switch."""
    return f"02:00:00:00:00:{number:02x}"


def _run(namespace: Namespace, command: str, text: str = "", *, check: bool = True) -> None:
    """Run a command of the system in a namespace."""
    with namespace.entered():
        done = subprocess.run(
            command.split(), input=text, capture_output=True, text=True, check=False
        )
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.strip()}")
