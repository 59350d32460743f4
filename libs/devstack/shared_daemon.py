"""Keep the shared test stack: run the servers as long as somebody uses them.

A process of its own, started by `libs.devstack.shared` when no daemon runs. Clients hold a
shared lock; once nobody has held it for a while, the daemon stops the servers and removes
everything. The kernel frees a client's lock however the client ends, and kills the servers however
the daemon ends, so nothing outlives its use.
"""

import os
import shutil
import sys
import time
import uuid
from pathlib import Path

from libs.devstack.addresses import Credentials
from libs.devstack.atomic_files import publish
from libs.devstack.daemon import DaemonFolder, become_daemon
from libs.devstack.errors import StackError
from libs.devstack.file_locks import EXCLUSIVE, try_hold
from libs.devstack.servers import RunningServers, StackPlan, start_servers

_POLL_SECONDS = 0.5


class SharedFolder(DaemonFolder):
    """The names of what lies in the folder of a shared stack."""

    @property
    def clients_lock(self) -> Path:
        """Held shared by every client."""
        return self.path / "clients.lock"

    @property
    def addresses(self) -> Path:
        """Written when the servers are ready."""
        return self.path / "addresses.json"

    @property
    def failure(self) -> Path:
        """Written when the servers cannot be started."""
        return self.path / "failure.txt"

    def remove(self) -> None:
        """Remove everything; who comes meanwhile finds no folder and makes a new one."""
        removing = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.removing")
        self.path.rename(removing)
        shutil.rmtree(removing, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Keep a stack until it has been unused for a time; arguments: its folder, the seconds."""
    folder, idle_seconds = SharedFolder(Path(arguments[0])), float(arguments[1])
    become_daemon(folder)
    for leftover in (folder.addresses, folder.failure):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(folder.path / "data", ignore_errors=True)
    try:
        _keep(folder, idle_seconds)
    except StackError as exc:
        publish(folder.failure, str(exc))
        return 1
    return 0


def _keep(folder: SharedFolder, idle_seconds: float) -> None:
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


def _wait_until_unused(folder: SharedFolder, servers: RunningServers, idle_seconds: float) -> None:
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
