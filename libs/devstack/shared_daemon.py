"""Keep the shared test stack: run the servers as long as somebody uses them.

A process of its own, started by `libs.devstack.shared` when no daemon runs. Clients hold a
shared lock; once nobody has held it for a while, the daemon stops the servers and removes
everything. The kernel frees a client's lock however the client ends, and kills the servers however
the daemon ends, so nothing outlives its use.
"""

import os
import shutil
import signal
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from libs.devstack.addresses import Credentials
from libs.devstack.atomic_files import publish
from libs.devstack.daemon import become_daemon
from libs.devstack.errors import StackError
from libs.devstack.file_locks import EXCLUSIVE, try_hold
from libs.devstack.process_identity import MARK_VARIABLE, end_marked_processes
from libs.devstack.servers import RunningServers, StackPlan, start_servers

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class DaemonFolder:
    """The names of what lies in the folder of a shared stack."""

    path: Path

    @property
    def clients_lock(self) -> Path:
        """Held shared by every client."""
        return self.path / "clients.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the one client that looks for a daemon or starts it."""
        return self.path / "start.lock"

    @property
    def daemon_lock(self) -> Path:
        """Held by the daemon as long as it lives."""
        return self.path / "daemon.lock"

    @property
    def addresses(self) -> Path:
        """Written when the servers are ready."""
        return self.path / "addresses.json"

    @property
    def failure(self) -> Path:
        """Written when the servers cannot be started."""
        return self.path / "failure.txt"

    @property
    def mark(self) -> Path:
        """The mark that the servers carry, for whoever has to clean up after a killed daemon."""
        return self.path / "mark"

    @property
    def log(self) -> Path:
        """What the daemon itself says."""
        return self.path / "daemon.log"

    def kill_orphans(self) -> None:
        """End what a killed daemon may have left running."""
        if self.mark.exists():
            end_marked_processes(self.mark.read_text())

    def remove(self) -> None:
        """Remove everything; who comes meanwhile finds no folder and makes a new one."""
        removing = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.removing")
        self.path.rename(removing)
        shutil.rmtree(removing, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Keep a stack until it has been unused for a time; arguments: its folder, the seconds."""
    folder, idle_seconds = DaemonFolder(Path(arguments[0])), float(arguments[1])
    become_daemon(folder.daemon_lock)
    signal.signal(signal.SIGTERM, _end)
    try:
        _clean_after_predecessor(folder)
        _keep(folder, idle_seconds)
    except StackError as exc:
        publish(folder.failure, str(exc))
        return 1
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)


def _clean_after_predecessor(folder: DaemonFolder) -> None:
    """End what a killed daemon may have left running and remove its data."""
    folder.kill_orphans()
    for leftover in (folder.addresses, folder.failure):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(folder.path / "data", ignore_errors=True)
    mark = uuid.uuid4().hex
    publish(folder.mark, mark)
    os.environ[MARK_VARIABLE] = mark


def _keep(folder: DaemonFolder, idle_seconds: float) -> None:
    servers = start_servers(
        StackPlan(
            folder=folder.path / "data",
            logs=folder.path / "logs",
            durable=False,
            credentials=Credentials(),
        )
    )
    try:
        publish(folder.addresses, servers.addresses.to_json())
        _wait_until_unused(folder, servers, idle_seconds)
    finally:
        folder.addresses.unlink(missing_ok=True)
        servers.stop()
    # Only an unused stack gets here, with the clients' lock in hand; a failed one stays for study.
    folder.remove()


def _wait_until_unused(folder: DaemonFolder, servers: RunningServers, idle_seconds: float) -> None:
    """Return once nobody has used the stack for the idle time, with the clients' lock in hand."""
    last_used = time.monotonic()
    while True:
        if dead := servers.dead():
            names = ", ".join(child.command.name for child in dead)
            raise StackError(f"{names} ended by itself; see {folder.path / 'logs'}")
        unused = try_hold(folder.clients_lock, EXCLUSIVE)
        if unused is None:
            last_used = time.monotonic()
        elif time.monotonic() - last_used > idle_seconds:
            return
        else:
            os.close(unused)
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
