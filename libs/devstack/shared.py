"""Join the one test stack of this user on this machine, starting it when nobody has yet.

Many test processes run at once (Pants gives each test file one). They share servers, and each
takes a database, a virtual host and a Valkey database of its own; see `libs.devstack.testing`.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.devstack import shared_daemon
from libs.devstack.addresses import StackAddresses
from libs.devstack.binaries import versions
from libs.devstack.child_process import log_tail
from libs.devstack.daemon import spawn_daemon
from libs.devstack.errors import StackError
from libs.devstack.file_locks import EXCLUSIVE, SHARED, held, try_hold
from libs.devstack.os_user import Account
from libs.devstack.shared_daemon import SharedFolder
from libs.devstack.waiting import wait_until

IDLE_SECONDS = 15.0
_START_SECONDS = 180.0
_FOLDER_FORMAT = "/var/tmp/adsp-test-{uid}-{version}"  # noqa: S108  # checked


@contextmanager
def shared_stack(
    folder: Path | None = None, idle_seconds: float = IDLE_SECONDS
) -> Iterator[StackAddresses]:
    """Use the shared stack, which stays for `idle_seconds` after its last user."""
    place = SharedFolder(folder or default_folder())
    with held(place.clients_lock, SHARED):
        with held(place.start_lock, EXCLUSIVE):
            if not (place.is_running and place.addresses.exists()):
                _start_daemon(place, idle_seconds)
            addresses = StackAddresses.read(place.addresses)
        yield addresses


def default_folder() -> Path:
    """Return the folder of this user's stack; each version of the stack's code has its own."""
    return Path(_FOLDER_FORMAT.format(uid=os.geteuid(), version=_code_version()))


def _code_version() -> str:
    """Digest what a stack is made of: this folder's code, the servers' versions, the account."""
    digest = hashlib.sha256(repr((versions(), Account.current())).encode())
    for source in sorted(Path(__file__).parent.glob("*.[ps][yq]*")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:12]


def _remove_abandoned() -> None:
    """Remove what killed daemons left, of whatever version: servers died with them, files stay."""
    pattern = Path(_FOLDER_FORMAT.format(uid=os.geteuid(), version="*"))
    for folder in map(SharedFolder, pattern.parent.glob(pattern.name)):
        clients = try_hold(folder.clients_lock, EXCLUSIVE)
        if clients is None:
            continue
        try:
            if not folder.is_running:
                folder.kill_orphans()
                folder.remove()
        finally:
            os.close(clients)


def _start_daemon(place: SharedFolder, idle_seconds: float) -> None:
    """Start a daemon and wait for its servers; raise `StackError` if they never become ready."""
    _remove_abandoned()
    # A daemon that is about to give up still holds its lock; a new one needs it.
    wait_until(lambda: not place.is_running, _START_SECONDS)
    place.failure.unlink(missing_ok=True)
    place.addresses.unlink(missing_ok=True)
    spawn_daemon(shared_daemon.__name__, place, str(idle_seconds))
    wait_until(lambda: place.addresses.exists() or not place.is_running, _START_SECONDS)
    if place.failure.exists():
        raise StackError(f"the test servers did not start: {place.failure.read_text()}")
    if not place.addresses.exists():
        raise StackError(f"the test servers did not start in time:\n{log_tail(place.log)}")
