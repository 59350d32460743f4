"""Make a generated folder exactly once, whatever is killed half-way or started twice.

A folder is built under a name that holds the fingerprint of its inputs; then one symbolic link is
swapped to it. The link is the proof that the build ended: a kill -9 leaves no link, so the next
run starts afresh, and processes that still use the former folder keep it until they end.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from tools.bootstrap.locations import ROOT, STATE

_FINGERPRINT_LENGTH = 12


def fingerprint(*inputs: bytes | str) -> str:
    """Digest what a folder is made from; the checkout's own path counts, for scripts hold it."""
    digest = sha256(os.fsencode(ROOT))
    for item in inputs:
        digest.update(b"\0" + (item if isinstance(item, bytes) else item.encode()))
    return digest.hexdigest()[:_FINGERPRINT_LENGTH]


def make_once(name: str, inputs: str, probe: str, build: Callable[[Path], None]) -> Path:
    """Return the folder's link, after building it when its inputs changed or `probe` is missing."""
    link = STATE / name
    target = STATE / "envs" / f"{name}-{inputs}"
    if _is_ready(link, target, probe):
        return link
    with _only_one(name):
        if not _is_ready(link, target, probe):
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            build(target)
            former = link.resolve() if link.is_symlink() else None
            _swap(link, target)
            _remove_stale(name, keep={target, former})
    return link


def _is_ready(link: Path, target: Path, probe: str) -> bool:
    """Return whether the link names this very build and the build still holds what it must."""
    return link.is_symlink() and link.readlink() == _relative(target) and (link / probe).exists()


def _relative(target: Path) -> Path:
    return target.relative_to(STATE)


def _swap(link: Path, target: Path) -> None:
    """Point the link at the new build in one step."""
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(_relative(target))
    fresh.replace(link)


def _remove_stale(name: str, keep: set[Path | None]) -> None:
    """Remove older builds, but not the one that running processes may still use."""
    for folder in (STATE / "envs").glob(f"{name}-{'?' * _FINGERPRINT_LENGTH}"):
        if folder not in keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _only_one(name: str) -> Iterator[None]:
    """Wait until no other process builds this folder; a killed one lets go by itself."""
    locks = STATE / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
