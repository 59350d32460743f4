"""Give a part of this process a network and a host name of its own, as the kernel does for containers.

A namespace belongs to whoever is in it or has a file of it open: after the last of them the kernel removes it with its
addresses, links and rules. So nothing is left of a run that is killed.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_NEW_NET, _NEW_UTS = 0x40000000, 0x04000000
_KINDS = {"net": _NEW_NET, "uts": _NEW_UTS}
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network stack and a host name; threads and processes that are started in it stay there."""

    def __init__(self, name: str) -> None:
        """Make one whose host name is `name`; needs root."""
        with _returning():
            _call(_libc.unshare(_NEW_NET | _NEW_UTS))
            _call(_libc.sethostname(name.encode(), len(name)))
            self._files = _open_own()

    @property
    def network(self) -> str:
        """Return the path of the network, as `ip link … netns` takes it."""
        return f"/proc/{os.getpid()}/fd/{self._files['net']}"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Have this thread, and what it starts, be in the namespace while the block runs."""
        with _returning():
            _enter(self._files)
            yield

    def close(self) -> None:
        """Let go of it: it ends with its last process."""
        _close(self._files)


@contextmanager
def _returning() -> Iterator[None]:
    """Take this thread back to where it is now."""
    before = _open_own()
    try:
        yield
    finally:
        _enter(before)
        _close(before)


def _open_own() -> dict[str, int]:
    return {kind: os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY) for kind in _KINDS}


def _enter(files: dict[str, int]) -> None:
    for kind, file in files.items():
        _call(_libc.setns(file, _KINDS[kind]))


def _close(files: dict[str, int]) -> None:
    for file in files.values():
        os.close(file)


def _call(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
