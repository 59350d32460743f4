"""Give this process a network of its own, so that an engine touches no bridge, rule or port of the machine.

Another engine's firewall rules would also drop what passes between the containers of ours.
"""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


class IsolationError(Exception):
    """The kernel gives no network of its own here; the message says why."""


@contextmanager
def own_network() -> Iterator[None]:
    """Move this thread, and all that it starts, into a new network namespace with a loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(_CLONE_NEWNET):
            reason = os.strerror(ctypes.get_errno())
            raise IsolationError(f"no network namespace can be made: {reason}")
        _bring_loopback_up()
        yield
    finally:
        libc.setns(before, _CLONE_NEWNET)
        os.close(before)


def _bring_loopback_up() -> None:
    """Do what `ip link set lo up` does; the request is netdevice(7)'s `struct ifreq`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh22x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("h", answer, 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
