"""A command starts at once: it imports what it needs, and finds its environment without starting others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from libs.devstack.ports import LOOPBACK, free_port
from tools.bootstrap.interpreters import find_interpreters

ROOT = Path(tasks.__file__).parent

LARGE = {"alembic", "celery", "kombu", "numba", "numpy", "sqlalchemy"}
CLIENTS = {"httpx", "pika", "psycopg2", "redis", "rich"}


def _imported_by(*command: str) -> set[str]:
    """Return the top-level packages that a command has imported."""
    variables = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "ADSP_API_URL": f"http://{LOOPBACK}:{free_port()}",  # where nobody answers
    }
    program = [sys.executable, "-X", "importtime", "-m", "invoke", "--search-root", str(ROOT)]
    done = subprocess.run(
        [*program, *command], env=variables, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "invoke" in packages, done.stderr
    return packages


def test_the_list_of_commands_needs_none_of_their_packages() -> None:
    imported = _imported_by("--list")

    assert "tools" in imported
    assert not imported & (LARGE | CLIENTS)


@pytest.mark.parametrize("command", ["status", "trigger"])
def test_a_short_command_needs_no_large_package(command: str) -> None:
    imported = _imported_by(command)

    assert "rich" in imported  # so it got as far as its own code
    assert not imported & LARGE


def test_the_running_interpreter_is_found_without_starting_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = "{}.{}".format(*sys.version_info[:2])
    started = tmp_path / "started"
    other = tmp_path / f"python{version}"
    other.write_text(f'#!/bin/sh\n: > {started}\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ADSP_PYTHON", raising=False)

    found = next(find_interpreters(version))

    assert found.path == Path(sys.executable).resolve()
    assert not started.exists()
