"""Start a module as a daemon of which there is at most one per lock file, and know when it is gone.

The daemon holds its lock as long as it lives, so whoever finds the lock free knows that it is
dead, without asking for pids.
"""

import os
import sys
from pathlib import Path

from libs.devstack.child_process import log_tail
from libs.devstack.errors import StackError
from libs.devstack.file_locks import EXCLUSIVE, try_hold


def spawn_daemon(module: str, arguments: list[str], log: Path) -> None:
    """Start a module that calls `become_daemon`, and return once it holds its lock.

    Its output goes to the log. Raises `StackError` with the end of that when it fails before.
    """
    output = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", module, *arguments],
        # A test process may run in a folder that is removed at its end; its import path still
        # holds now.
        {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), output, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise StackError(f"{module} ended with status {status}:\n{log_tail(log)}")


def become_daemon(lock: Path) -> None:
    """Go on in a child that holds the lock.

    This process ends, which tells `spawn_daemon` that all is well.
    Raises `StackError` when another daemon holds the lock.
    """
    if try_hold(lock, EXCLUSIVE) is None:
        raise StackError(f"another process holds {lock}")
    if os.fork():
        os._exit(0)
    os.chdir("/")
