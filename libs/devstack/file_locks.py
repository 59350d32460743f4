"""Lock files that the kernel frees when their holder dies, and that may be deleted at any time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.devstack.os_user import make_own_folder

SHARED = fcntl.LOCK_SH
EXCLUSIVE = fcntl.LOCK_EX


@contextmanager
def held(path: Path, kind: int) -> Iterator[None]:
    """Hold a lock, waiting for it; the folder and the file are made when they are missing."""
    descriptor = _acquire(path, kind)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def try_hold(path: Path, kind: int) -> int | None:
    """Take a lock if it is free now; return the descriptor to close, or None."""
    return _acquire(path, kind | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Return whether somebody holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, EXCLUSIVE | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _acquire(path: Path, flags: int) -> int | None:
    """Lock the file that has the name once the lock is had: the one opened may be gone then."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            make_own_folder(path.parent)
            continue
        try:
            fcntl.flock(descriptor, flags)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_named(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_named(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
