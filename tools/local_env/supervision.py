"""Keep one process running: start it again when it ends, but neither at once nor for ever."""

import time
from dataclasses import dataclass, field

from libs.devstack.child_process import ChildProcess, Command

MAX_RESTARTS = 8
_LONGEST_PAUSE_SECONDS = 30.0
# A process that has lived this long starts again with a clean record.
_STEADY_SECONDS = 60.0


@dataclass
class Supervised:
    """One server or service of the local stack.

    `failures` counts its ends since it was last steady.
    """

    command: Command
    address: str
    child: ChildProcess
    restarts: int = 0
    failures: int = 0
    started: float = field(default_factory=time.monotonic)
    due: float | None = None
    first_pause_seconds: float = 0.5

    @property
    def given_up(self) -> bool:
        """Return whether it has ended too often to be started again."""
        return self.failures > MAX_RESTARTS

    def note(self) -> str:
        """Say what is known about it when it does not run."""
        if self.given_up:
            return f"given up after {MAX_RESTARTS} restarts"
        status = self.child.process.returncode
        return "" if status is None else f"restarting (ended with status {status})"

    def look_after(self) -> bool:
        """Notice its end, or restart it after its pause; return whether anything changed."""
        if self.child.is_alive() or self.given_up:
            return False
        if self.due is None:
            self._plan_restart()
            return True
        if time.monotonic() < self.due:
            return False
        self.child = ChildProcess.start(self.command)
        self.restarts += 1
        self.started, self.due = time.monotonic(), None
        return True

    def _plan_restart(self) -> None:
        if time.monotonic() - self.started > _STEADY_SECONDS:
            self.failures = 0
        pause = min(self.first_pause_seconds * 2**self.failures, _LONGEST_PAUSE_SECONDS)
        self.failures += 1
        self.due = time.monotonic() + pause
