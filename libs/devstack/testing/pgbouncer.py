"""Run pgbouncer before the database of a test."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from libs.devstack.os_user import Account, machine_folder
from libs.devstack.ports import LOOPBACK, free_port, is_listening
from libs.devstack.testing.waiting import wait_for

PGBOUNCER = shutil.which("pgbouncer")
PATIENCE = 20


@contextmanager
def pgbouncer(
    postgres_port: int, passwords: Mapping[str, str], mode: str, settings: Sequence[str] = ()
) -> Iterator[int]:
    """Run pgbouncer in a pool mode before Postgres' port and yield its own; `passwords` are those of the roles.

    Its account must reach its files, which it cannot in pytest's folders: each session shuts these for others.
    """
    port, account = free_port(), Account.current()
    with TemporaryDirectory(prefix="pgbouncer-", dir=machine_folder()) as name:
        folder = Path(name)
        folder.chmod(0o711)
        lines = "".join(f'"{role}" "{password}"\n' for role, password in passwords.items())
        users = account.write_secret(folder / "users.txt", lines)
        configuration = [
            "[databases]",
            f"* = host={LOOPBACK} port={postgres_port}",
            "[pgbouncer]",
            f"listen_addr = {LOOPBACK}",
            f"listen_port = {port}",
            "unix_socket_dir =",
            "auth_type = plain",
            f"auth_file = {users}",
            f"pool_mode = {mode}",
            *settings,
        ]
        file = account.write_secret(folder / "pgbouncer.ini", "\n".join(configuration))
        with subprocess.Popen(
            [str(PGBOUNCER), str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **account.popen_arguments(),
        ) as process:
            try:
                wait_for(lambda: is_listening(port), PATIENCE, "pgbouncer listens")
                yield port
            finally:
                process.terminate()
