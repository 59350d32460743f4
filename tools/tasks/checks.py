"""Commands that judge and build the code: setup, fmt, lint, lock, pants, package, test."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.bootstrap.errors import BootstrapError
from tools.bootstrap.locations import ROOT

if TYPE_CHECKING:
    from tools.checks.lint import Check

_RUFF = str(Path(sys.executable).with_name("ruff"))


@task
def setup(_context: Context) -> None:
    """Get everything that development needs: environment, Pants, servers."""
    _pants_command()
    _ensure_servers()
    print("Ready. Next: ./dev demo, or ./dev test; ./dev --list shows the rest.")


@task
def fmt(_context: Context) -> None:
    """Format the code and fix what the linter can fix safely."""
    _run([_RUFF, "check", "--fix-only", "--quiet", "."])
    _run([_RUFF, "format", "."])


@task
def lint(_context: Context) -> None:
    """Check format, lint, types, dead code and the dependency rules; run all, fail on any."""
    from tools.checks.lint import run_checks

    if not all(finding.passed for finding in run_checks(_checks())):
        raise Exit(code=1)


@task
def lock(_context: Context) -> None:
    """Resolve the requirements in lockfiles anew into the lockfile with hashes."""
    _run_pants("generate-lockfiles")


@task
def package(_context: Context) -> None:
    """Build what is deployed below .adsp/dist: PEXes, the wheel of `adsp`; where a Docker engine answers, images."""
    from tools.local_env.images import image_variables

    command, variables = _pants_command()
    _run([*command, "package", "::"], variables | image_variables())


@task
def pants(context: Context) -> None:
    """Run Pants with the arguments that follow: `./dev pants test libs/::`."""
    from tools.local_env.images import image_variables

    command, variables = _pants_command()
    given = shlex.split(context.remainder)
    if "package" in given:
        variables |= image_variables()
    os.chdir(ROOT)
    os.execve(command[0], [*command, *given], variables)  # noqa: S606  # Pants takes over the terminal


@task(help={"force": "Run tests again whose inputs did not change; Pants remembers what passed."})
def test(_context: Context, force: bool = False) -> None:  # noqa: FBT001, FBT002, PT028
    """Run all tests on a private stack, and every check."""
    from tools.checks.suite import run_everything

    _ensure_servers()
    command, variables = _pants_command()
    if force:
        command = [*command, "--test-force"]
    if not run_everything(command, variables, _checks()):
        raise Exit(code=1)


def _ensure_servers() -> None:
    from tools.bootstrap.system_packages import ensure_monitoring, ensure_program, ensure_rabbitmq

    ensure_rabbitmq()
    ensure_monitoring()
    # The tests that need one of these are skipped without it.
    ensure_program("pgbouncer", "pgbouncer")
    ensure_program("sshd", "openssh-server")
    if not ensure_program("chromium", "chromium"):
        print(
            "Without Chromium: the tests of the console in a browser are skipped", file=sys.stderr
        )


def _checks() -> "list[Check]":
    from tools.checks.lint import all_checks

    try:
        return all_checks()
    except BootstrapError as error:
        raise Exit(str(error), code=1) from error


def _pants_command() -> tuple[list[str], dict[str, str]]:
    from tools.bootstrap.pants import pants_command

    try:
        return pants_command()
    except BootstrapError as error:
        raise Exit(str(error), code=1) from error


def _run_pants(*arguments: str) -> None:
    command, variables = _pants_command()
    _run([*command, *arguments], variables)


def _run(command: list[str], variables: dict[str, str] | None = None) -> None:
    """Run a command in the checkout and fail as it fails."""
    status = subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode
    if status:
        raise Exit(code=status)
