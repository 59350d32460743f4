"""Look at regular files and open them: the only way by which user files are reached.

A source is opened without following links, of folders neither, and without waiting, so that a FIFO or a device can
neither be loaded nor block anyone, and no link leads elsewhere after the look.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.common.errors import SourceError

_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL}
_NOT_REGULAR = {errno.ELOOP, errno.ENXIO, errno.EISDIR}


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """What shows whether a path still holds the same, unchanged file; `size` in bytes as stored."""

    size: int
    mtime_ns: int
    inode: int
    device: int

    @property
    def tells_versions(self) -> bool:
        """Return whether more than the size tells this version from others; some servers show neither time nor tag."""
        return bool(self.mtime_ns or self.inode)


def identity(path: Path) -> SourceIdentity:
    """Look at a source without opening it, or raise `SourceError` when it is no regular file."""
    try:
        return identify_open(path, path.lstat())
    except OSError as exc:
        refuse_unreachable(path, exc)
        raise


def version_of(path: Path) -> tuple[int, ...]:
    """Return inode, size, and times of the last write and change of a source, ns: whoever puts a time back changes it.

    It is opened for that: a network file system asks its server then. Raises `SourceError` where there is none.
    """
    with open_regular(path) as file:
        status = os.fstat(file.fileno())
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file; anything else is refused before it is opened, or at once after."""
    identity(path)
    try:
        file = io.FileIO(_open_without_links(path))
    except OSError as exc:
        refuse_unreachable(path, exc)
        raise
    try:
        identify_open(path, os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise
    return file


def _open_without_links(path: Path) -> int:
    """Open a resolved path, of which no part may be a link any more."""
    with folder_without_links(path) as folder:
        return os.open(path.name, _OPEN_FLAGS, dir_fd=folder)


@contextmanager
def folder_without_links(path: Path) -> Iterator[int]:
    """Open the folder of a resolved path, of which no part may be a link: one may have taken a folder's place since.

    It can be named as `dir_fd`, and nothing else. Raises OSError.
    """
    folder = os.open(path.anchor or ".", _FOLDER_FLAGS)
    try:
        for name in path.parts[1 if path.anchor else 0 : -1]:
            inner = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def identify_open(path: Path, status: os.stat_result) -> SourceIdentity:
    """Return what the status of a regular file says, or raise `SourceError`."""
    if not stat.S_ISREG(status.st_mode):
        raise not_regular(path)
    return SourceIdentity(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)


def refuse_unreachable(path: Path, exc: OSError) -> None:
    """Raise the `SourceError` that an error of the system means, if it is the source's fault."""
    if exc.errno in _MISSING:
        raise SourceError(
            "source-missing", f"there is no file {path}; put it there or correct 'source'"
        ) from exc
    if exc.errno in _NOT_REGULAR:
        raise not_regular(path) from exc
    if isinstance(exc, PermissionError):
        raise SourceError(
            "source-missing",
            f"{path} may not be read; give the services' user permission to read it",
        ) from exc


def not_regular(path: Path) -> SourceError:
    """Make the error for what is no regular file."""
    return SourceError(
        "source-not-regular",
        f"{path} is not a regular file (but a folder, link, pipe, socket or device); name a file",
    )
