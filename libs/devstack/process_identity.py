"""Tell a process that we started from a later one that got the same number.

A pid alone is no name: numbers are reused, also across a reboot. A process is known here by its
pid and its start time on this boot; everything below a stack also carries the stack's mark in its
environment, so that what a killed supervisor left behind is found and nothing else is ever
signalled.
"""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from libs.devstack.errors import StackError
from libs.devstack.waiting import wait_until

MARK_VARIABLE = "ADSP_STACK_MARK"
_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessIdentity:
    """One process of this boot: `started` is in clock ticks since `boot`."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the identity of a running process, or None; a zombie runs no more."""
        try:
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # proc_pid_stat(5): after the name come state (field 3) … starttime (field 22).
        if fields[0] in {"Z", "X"}:
            return None
        return cls(pid=pid, started=int(fields[19]), boot=_boot_id())

    @classmethod
    def own(cls) -> Self:
        """Return the identity of this process."""
        identity = cls.of(os.getpid())
        if identity is None:
            raise StackError("this process is not in /proc; mount that file system")
        return identity

    def is_alive(self) -> bool:
        """Return whether this very process still runs."""
        return ProcessIdentity.of(self.pid) == self

    def send(self, signal_number: signal.Signals) -> None:
        """Signal this very process; do nothing when it is gone."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # The descriptor pins the process, so the check and the signal mean the same one.
            if self.is_alive():
                signal.pidfd_send_signal(descriptor, signal_number)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)


def inherited_mark() -> dict[str, str]:
    """Return the mark of the stack that we belong to, as environment for our children."""
    mark = os.environ.get(MARK_VARIABLE)
    return {} if mark is None else {MARK_VARIABLE: mark}


def marked_processes(mark: str) -> list[ProcessIdentity]:
    """List the running processes that carry the mark in their environment, this one excepted."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    return [
        identity
        for pid in _pids()
        if pid != os.getpid()
        and wanted in _environment(pid).split(b"\0")
        and (identity := ProcessIdentity.of(pid)) is not None
    ]


def end_marked_processes(mark: str, grace_seconds: float = 10.0) -> int:
    """End all processes that carry the mark, by force after the grace; return their number."""
    found = marked_processes(mark)
    for identity in found:
        identity.send(signal.SIGTERM)
    wait_until(lambda: not any(identity.is_alive() for identity in found), grace_seconds)
    for identity in marked_processes(mark):
        identity.send(signal.SIGKILL)
    wait_until(lambda: not marked_processes(mark), grace_seconds)
    return len(found)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _environment(pid: int) -> bytes:
    try:
        return (_PROC / str(pid) / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
