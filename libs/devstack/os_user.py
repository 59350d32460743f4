"""Decide under which account the servers run.

PostgreSQL refuses root, and the others should not have it. Started by root, the servers run as
`nobody` (or as the user that `ADSP_SERVER_USER` names), started by anyone else as that one.
"""

import grp
import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from libs.devstack.errors import StackError

USER_VARIABLE = "ADSP_SERVER_USER"
_DEFAULT_USER = "nobody"


@dataclass(frozen=True)
class Account:
    """The user and group that the servers run as."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> Self:
        """Return the account that this process is to run servers under."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        name = os.environ.get(USER_VARIABLE, _DEFAULT_USER)
        try:
            entry = pwd.getpwnam(name)
            return cls(entry.pw_uid, grp.getgrgid(entry.pw_gid).gr_gid)
        except KeyError as exc:
            raise StackError(
                f"no user {name!r} to run servers as; set {USER_VARIABLE} to one"
            ) from exc

    @property
    def differs(self) -> bool:
        """Return whether the servers run as somebody else than this process."""
        return self.uid != os.geteuid()

    def popen_arguments(self) -> dict[str, Any]:
        """Return the arguments of `subprocess` that switch to this account."""
        if not self.differs:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_reach(self, path: Path) -> bool:
        """Return whether this account may read the file or folder, as the kernel sees it."""
        if not self.differs:
            return os.access(path, os.R_OK)
        tried = subprocess.run(
            ["/usr/bin/test", "-r", path], cwd="/", check=False, **self.popen_arguments()
        )
        return tried.returncode == 0

    def make_folder(self, path: Path) -> Path:
        """Make a folder that belongs to this account and to nobody else."""
        path.mkdir(mode=0o700, exist_ok=True)
        if self.differs:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        return path

    def write_secret(self, path: Path, text: str, mode: int = 0o600) -> Path:
        """Write a file that this account alone may read (and root)."""
        path.unlink(missing_ok=True)
        # O_EXCL follows no link that the other account may have put into its own folder.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)
            if self.differs:
                os.fchown(file.fileno(), self.uid, self.gid)
        return path


def make_own_folder(path: Path) -> Path:
    """Make a folder of ours that others may enter but not write; refuse one of somebody else's."""
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    status = path.lstat()
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or others_write:
        raise StackError(
            f"{path} must be a folder that only you can write; remove it and try again"
        )
    path.chmod(0o755)
    return path


def machine_folder() -> Path:
    """Return the folder of this user that every account can reach, outside of any private home."""
    return make_own_folder(Path("/var/tmp") / f"adsp-{os.geteuid()}")  # noqa: S108  # checked above
