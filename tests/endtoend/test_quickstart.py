"""The quickstart does what it shows: its commands are run as they stand, in a checkout of their own."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tasks
from tests.endtoend.system import REPOSITORY

PAGE = "docs/quickstart.md"

_FOLDERS = ("docs", "infra", "libs", "migrations", "services", "tools")
_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "--- end of block ---"
_DEV = '#!/bin/sh\nexec "{python}" -P -m invoke --search-root "{root}" "$@"\n'
"""`./dev`, but in the environment that runs the tests instead of one made from the lock."""


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """Copy the code, so that the local stack is not the one that may run in this checkout."""
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in _FOLDERS:
        shutil.copytree(REPOSITORY / folder, copy / folder, ignore=ignored)
    shutil.copy(tasks.__file__, copy)
    dev = copy / "dev"
    dev.write_text(_DEV.format(python=sys.executable, root=copy))
    dev.chmod(0o755)
    yield copy
    _run(copy, "./dev down --purge")


def _run(checkout: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a user of the checkout does, without what the tests' environment names."""
    packages = [path for path in sys.path if path and Path(path).resolve() != REPOSITORY]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ADSP_")}
    variables = {"PYTHONPATH": os.pathsep.join([str(checkout), *packages]), "COLUMNS": "200"}
    return subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=checkout,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_the_commands_of_the_quickstart_do_what_it_shows(checkout: Path) -> None:
    blocks = _BLOCK.findall((REPOSITORY / PAGE).read_text())
    commands = [text for kind, text in blocks if kind == "sh"]
    # One shell for all: variables that a block sets are for those after it.
    done = _run(checkout, f"\necho '{_END}'\n".join([*commands, ""]))

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    outputs = iter(done.stdout.split(f"{_END}\n"))
    printed, missing = "", []
    for kind, text in blocks:
        if kind == "sh":
            printed = next(outputs)
        else:
            missing += [line for line in _lines(text) if line not in printed]
    assert missing == [], done.stdout
