"""Run the commands that install, in an environment that the machine's own settings do not bend."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tools.bootstrap.errors import BootstrapError
from tools.bootstrap.locations import STATE

_LAST_LINES = 25  # of a failed command's output
# These change what is installed, or where; the index and certificates of the network are kept.
_DROPPED = {
    *("PIP_CONSTRAINT", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_PREFIX"),
    *("PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH"),
    # pip and Pants are large; without bytecode each start compiles them anew.
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
}


def plain_environment() -> dict[str, str]:
    """Copy the environment without what would make an installation differ from the lock."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _DROPPED and not name.startswith("PEX_")
    }
    return kept | {"PIP_CONFIG_FILE": os.devnull, "PEX_ROOT": str(STATE / "cache" / "pex")}


def certificates() -> str | None:
    """Return the file of certificate authorities that this network asks for, if any."""
    return os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")


def run_step(title: str, command: list[str | Path], **extra: str) -> None:
    """Run one command quietly; say what is done, how long it took, and show why it failed."""
    print(f"dev: {title} …", file=sys.stderr, end="", flush=True)
    start = time.monotonic()
    done = subprocess.run(
        command,
        env=plain_environment() | extra,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    print(f" {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    if done.returncode:
        print(*done.stdout.splitlines()[-_LAST_LINES:], sep="\n", file=sys.stderr)
        raise BootstrapError(f"{title} failed (exit {done.returncode}): the reason stands above")


def install_packages(*packages: str) -> None:
    """Install Debian packages as root; apt's output is shown only when it fails.

    Raises:
        BootstrapError: when they cannot be installed.
    """
    apt: list[str | Path] = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    asks_nothing = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run_step("reading Debian's package lists", [*apt, "update"], **asks_nothing)
    except BootstrapError as error:  # an old list may be enough
        print(f"dev: {error}", file=sys.stderr)
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    run_step(f"installing {', '.join(packages)} with apt", install, **asks_nothing)
