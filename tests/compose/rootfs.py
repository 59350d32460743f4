"""Make root file systems of Debian's packages, since the tests pull no image from a registry.

They are kept for later runs: making them takes a good minute, and they depend on nothing of ours.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from libs.devstack.file_locks import EXCLUSIVE, held
from libs.devstack.os_user import machine_folder

_SUITE = "bookworm"
_PYTHON = ("python3", "python3-venv", "ca-certificates")
_SERVERS = (
    "rabbitmq-server",
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-postgres-exporter",
    "prometheus-redis-exporter",
    "wget",
)
_SECONDS = 600


class RootfsError(Exception):
    """A root file system could not be made here; the message says what the program said."""


def python_rootfs() -> Path:
    """Return an archive with Python: it stands in for the official slim image."""
    return _kept("python", _PYTHON, None)


def servers_rootfs() -> Path:
    """Return an archive with the servers that Debian packages."""
    return _kept("servers", _SERVERS, python_rootfs())


def _kept(name: str, packages: tuple[str, ...], base: Path | None) -> Path:
    key = hashlib.sha256(repr((_SUITE, packages, base)).encode()).hexdigest()[:12]
    folder = machine_folder() / "images"
    folder.mkdir(exist_ok=True)
    archive = folder / f"{name}-{key}.tar"
    with held(folder / f"{name}.lock", EXCLUSIVE):
        if not archive.exists():
            _make(packages, base, folder / f"{name}.making", archive)
    return archive


def _make(packages: tuple[str, ...], base: Path | None, tree: Path, archive: Path) -> None:
    """Make the tree and pack it aside, then rename: a killed run leaves nothing that is used."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(mode=0o755)
    try:
        if base is None:
            _run(
                [
                    "debootstrap",
                    "--variant=minbase",
                    f"--include={','.join(packages)}",
                    _SUITE,
                    tree,
                ]
            )
        else:
            _run(["tar", "-C", tree, "-xf", base])
            _install(tree, packages)
        aside = archive.with_suffix(".part")
        _run(["tar", "-C", tree, "--exclude=./var/cache/apt/archives/*.deb", "-cf", aside, "."])
        aside.rename(archive)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def _install(tree: Path, packages: tuple[str, ...]) -> None:
    """Install packages in the tree without starting what they bring."""
    policy = tree / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    apt: list[str | Path] = [
        "chroot",
        tree,
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-qq",
    ]
    _run([*apt, "install", "-y", "--no-install-recommends", *packages])


def _run(command: list[str | Path]) -> None:
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise RootfsError(f"{command[0]}: {exc}") from exc
    if done.returncode:
        raise RootfsError(f"{command[0]} failed: {' '.join(done.stdout.splitlines()[-3:])}")
