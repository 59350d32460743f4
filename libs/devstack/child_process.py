"""Start servers as children that die with their parent, log to a file, and stop in bounded time."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from libs.devstack.errors import ServerFailedError
from libs.devstack.os_user import Account
from libs.devstack.process_identity import ProcessIdentity, inherited_mark
from libs.devstack.waiting import POLL_SECONDS, wait_until

_PR_SET_PDEATHSIG = 1
_LOG_TAIL_BYTES = 3_000


@dataclass(frozen=True)
class Command:
    """How to start and stop one process.

    `stop_signal` asks for an orderly end; `orphan_signal` is what the kernel sends when the parent
    dies.
    """

    name: str
    arguments: Sequence[str | Path]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    account: Account
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL


def ending_with_parent(orphan_signal: signal.Signals) -> Callable[[], None]:
    """Return what a child runs before its program, so that the kernel sends it the signal when its parent dies."""
    parent = os.getpid()
    # Loaded before the fork: between fork and exec only calls are safe, not imports.
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel


@dataclass
class ChildProcess:
    """A running child.

    Keep it in the thread that started it, since the kernel ties its life to that thread.
    """

    command: Command
    process: "subprocess.Popen[bytes]" = field(repr=False)
    asked_to_stop: bool = False

    @classmethod
    def start(cls, command: Command) -> "ChildProcess":
        """Start the command in a session of its own, its output appended to the log."""
        with command.log.open("ab") as log:
            process = subprocess.Popen(
                command.arguments,
                env={**command.environment, **inherited_mark()},
                cwd=command.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=ending_with_parent(command.orphan_signal),  # noqa: PLW1509  # callers have one thread
                **command.account.popen_arguments(),
            )
        return cls(command, process)

    @property
    def pid(self) -> int:
        """Return the process number."""
        return self.process.pid

    def identity(self) -> ProcessIdentity | None:
        """Return who this is, for records that outlive the parent; None when it is gone."""
        return ProcessIdentity.of(self.pid)

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        return self.process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], deadline_seconds: float) -> None:
        """Return once `ready`; raise `ServerFailedError` when it dies before or takes too long."""
        end = time.monotonic() + deadline_seconds
        while not ready():
            if not self.is_alive():
                raise ServerFailedError(
                    self._complaint(f"ended with status {self.process.returncode}")
                )
            if time.monotonic() > end:
                raise ServerFailedError(
                    self._complaint(f"is not ready after {deadline_seconds:.0f} s")
                )
            time.sleep(POLL_SECONDS)

    def ask_to_stop(self) -> None:
        """Send the signal for an orderly end, once: a second one may mean to hurry."""
        if not self.asked_to_stop and self.is_alive():
            self.process.send_signal(self.command.stop_signal)
            self.asked_to_stop = True

    def stop(self, grace_seconds: float) -> None:
        """End it and all of its session: in order, or by force after the grace."""
        if not self.is_alive():
            return
        self.ask_to_stop()
        if not wait_until(self._has_ended, grace_seconds):
            self.process.kill()
        # The leader is not reaped yet, so the number of the group is still surely ours.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def _has_ended(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _complaint(self, what: str) -> str:
        log = self.command.log
        return f"{self.command.name} {what}; the end of {log}:\n{log_tail(log)}"


def import_path() -> dict[str, str]:
    """Return this process' import path, as environment for Python's processes.

    It holds now: a test process may run in a folder that is removed at its end.
    """
    return {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}


def log_tail(log: Path, size: int = _LOG_TAIL_BYTES) -> str:
    """Return the last lines of a log, or what can be said about it."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().decode("utf-8", "replace").strip() or "(empty)"
    except OSError as exc:
        return f"(cannot be read: {exc.strerror})"
