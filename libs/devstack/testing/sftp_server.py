"""Run OpenSSH's server for the files of a test, on the loopback."""

import getpass
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from libs.devstack.child_process import ChildProcess, Command
from libs.devstack.os_user import Account
from libs.devstack.ports import free_port, is_listening
from libs.devstack.testing.stores import HOST, Faults, ServedStore, folder_writers

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
"""Of Debian's package openssh-server."""
_PATIENCE = 20.0
_STOP_SECONDS = 5.0


@contextmanager
def sftp_server(folder: Path) -> Iterator[ServedStore]:
    """Serve the files of a folder to whoever runs this; a key is a whole path."""
    own, port = folder.parent / f"{folder.name}-sshd", free_port()
    own.mkdir()
    host_key, login = (_make_key(own / name) for name in ("host", "login"))
    (own / "authorized").write_bytes(login.export_public_key())
    lines = [
        f"Port {port}",
        f"ListenAddress {HOST}",
        f"HostKey {own / 'host'}",
        f"AuthorizedKeysFile {own / 'authorized'}",
        "StrictModes no",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "PidFile none",
        "Subsystem sftp internal-sftp",
    ]
    (own / "config").write_text("\n".join([*lines, ""]))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it shuts itself in
    command = Command(
        "sshd",
        [str(SSHD), "-D", "-e", "-f", own / "config"],
        {},
        own,
        own / "log",
        Account(os.geteuid(), os.getegid()),
    )
    running = ChildProcess.start(command)
    try:
        running.wait_ready(lambda: is_listening(port), _PATIENCE)
        connection = {
            "kind": "sftp",
            "host": HOST,
            "port": port,
            "user": getpass.getuser(),
            "private_key": login.export_private_key().decode(),
            "host_key": host_key.export_public_key().decode(),
            "is_private": True,
        }
        root = f"sftp://{HOST}:{port}{folder}/"
        yield ServedStore(connection, root, *folder_writers(folder), Faults())
    finally:
        running.stop(_STOP_SECONDS)


def _make_key(path: Path) -> asyncssh.SSHKey:
    """Make a key and keep it in a file that nobody else may read."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(0o600)
    path.write_bytes(key.export_private_key())
    return key
