"""Get the system packages that no wheel brings: RabbitMQ, and Prometheus with its companions.

As root on Debian they are installed through apt; otherwise the message names the one command.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from invoke.exceptions import Exit

from libs.devstack.binaries import has_rabbitmq, missing_monitoring
from tools.bootstrap.commands import install_packages
from tools.bootstrap.errors import BootstrapError

_RABBITMQ_PACKAGE = "rabbitmq-server"
_POLICY = Path("/usr/sbin/policy-rc.d")
# 101 is "action forbidden by policy": Debian's way to install a service without starting it.
_NO_SERVICE_STARTS = "#!/bin/sh\nexit 101\n"


def ensure_rabbitmq() -> None:
    """Install RabbitMQ when it is missing.

    Raises:
        Exit: when it cannot be had; the message names the command to run.
    """
    if not has_rabbitmq() and os.geteuid() == 0 and which("apt-get"):
        _apt_install(_RABBITMQ_PACKAGE)
    if not has_rabbitmq():
        raise Exit(
            "RabbitMQ is needed and not installed; run:"
            f" sudo apt-get install --no-install-recommends {_RABBITMQ_PACKAGE}",
            code=1,
        )


def ensure_monitoring() -> bool:
    """Install Prometheus, Alertmanager and the exporters where that can be done; say what is missing.

    Nothing needs them to run: without them the local stack is not watched, and tests are skipped.
    """
    if missing_monitoring() and os.geteuid() == 0 and which("apt-get"):
        _apt_install(*missing_monitoring())
    if missing := missing_monitoring():
        command = f"sudo apt-get install --no-install-recommends {' '.join(missing)}"
        print(f"Without Prometheus; to have it, run: {command}", file=sys.stderr)
    return not missing


def ensure_program(name: str, package: str) -> bool:
    """Install the package of a missing program where that can be done; return whether it is there."""
    if which(name) is None and os.geteuid() == 0 and which("apt-get"):
        _apt_install(package)
    return which(name) is not None


def _apt_install(*packages: str) -> None:
    """Install Debian packages where that can be done; the caller looks whether they are there."""
    with _no_service_starts():
        try:
            install_packages(*packages)
        except BootstrapError as error:
            print(f"dev: {error}", file=sys.stderr)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep a package from starting its server: the local stack runs a private one."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_NO_SERVICE_STARTS, encoding="ascii")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
