"""Find free TCP ports on 127.0.0.1 for servers that must not meet anybody else's."""

import random
import socket

from libs.devstack.errors import StackError

LOOPBACK = "127.0.0.1"

# Below Linux' ephemeral range, so that an outgoing connection does not take a port between the
# moment it is found free and the moment the server binds it.
_FIRST, _LAST = 20_000, 32_000
_ATTEMPTS = 200

# What this process was given and may not have bound yet must not be given again.
_given: set[int] = set()


def is_free(port: int) -> bool:
    """Return whether a server could bind the port on 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do it: connections that linger after a server's end do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_listening(port: int, host: str = LOOPBACK) -> bool:
    """Return whether something accepts connections on the port of an address."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Return that many different free ports, none of which was returned before."""
    found: list[int] = []
    for _ in range(_ATTEMPTS):
        candidate = random.randrange(_FIRST, _LAST)  # noqa: S311  # not a secret
        if candidate not in _given and is_free(candidate):
            _given.add(candidate)
            found.append(candidate)
        if len(found) == count:
            return found
    raise StackError(f"found no {count} free ports on {LOOPBACK} between {_FIRST} and {_LAST}")


def free_port(preferred: int | None = None) -> int:
    """Return a free port: the preferred one when nobody holds it."""
    if preferred is not None and is_free(preferred):
        return preferred
    return free_ports(1)[0]
