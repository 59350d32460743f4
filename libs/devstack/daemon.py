"""Start a module as a daemon of which there is at most one per folder, know when it is gone, and end what it left.

The daemon holds its lock as long as it lives, so whoever finds the lock free knows that it is dead, without asking
for pids. All that it starts carries the mark of this start in its environment. There are two: that of the shared test
servers (`libs.devstack.shared_daemon`), and that of the local stack (`tools.local_env.supervisor`).
"""

import os
import signal
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from libs.devstack.atomic_files import publish
from libs.devstack.child_process import import_path, log_tail
from libs.devstack.errors import StackError
from libs.devstack.file_locks import EXCLUSIVE, is_held, try_hold
from libs.devstack.process_identity import MARK_VARIABLE, end_marked_processes


@dataclass(frozen=True)
class DaemonFolder:
    """The names of what lies in the folder of a daemon."""

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the daemon as long as it lives."""
        return self.path / "daemon.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the one process that looks for a daemon, starts or stops it."""
        return self.path / "start.lock"

    @property
    def mark(self) -> Path:
        """The mark of the processes of the last start."""
        return self.path / "mark"

    @property
    def log(self) -> Path:
        """What the daemon itself says."""
        return self.path / "daemon.log"

    @property
    def is_running(self) -> bool:
        """Return whether the daemon lives, however far it has come."""
        return is_held(self.lock)

    def kill_orphans(self) -> int:
        """End what a killed daemon may have left running; return how many processes that were."""
        return end_marked_processes(self.mark.read_text()) if self.mark.exists() else 0


def spawn_daemon(module: str, folder: DaemonFolder, *arguments: str) -> None:
    """Start a module that calls `become_daemon`, and return once it holds its lock.

    It gets the folder and the arguments. Raises `StackError` with the end of its log when it fails before.
    """
    output = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", module, str(folder.path), *arguments],
        {**os.environ, **import_path()},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(folder.log), output, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise StackError(f"{module} ended with status {status}:\n{log_tail(folder.log)}")


def become_daemon(folder: DaemonFolder) -> None:
    """Go on in a child that holds the lock, after the end of what a killed predecessor left running.

    This process ends, which tells `spawn_daemon` that all is well. SIGTERM raises `SystemExit`, once.
    Raises `StackError` when another daemon holds the lock.
    """
    if try_hold(folder.lock, EXCLUSIVE) is None:
        raise StackError(f"another process holds {folder.lock}")
    if os.fork():
        os._exit(0)
    os.chdir("/")
    signal.signal(signal.SIGTERM, _end)
    folder.kill_orphans()
    mark = uuid.uuid4().hex
    publish(folder.mark, mark)
    os.environ[MARK_VARIABLE] = mark


def _end(_number: int, _frame: FrameType | None) -> None:
    # A second signal must not cut the stopping short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)
