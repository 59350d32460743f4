"""The package of `pip install -e '.[dev]'` gives the commands, and needs what the lock is made from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from tools.bootstrap.interpreters import find_interpreters

ROOT = Path(tasks.__file__).resolve().parent

_EDITABLE = """
from setuptools.command.editable_wheel import editable_wheel
from setuptools.dist import Distribution

distribution = Distribution()
distribution.parse_config_files()
command = editable_wheel(distribution)
command.ensure_finalized()
print(type(command._select_strategy("adsp", "tag", "build")).__name__)
"""
_REQUIRED = "import importlib.metadata as m; print(*m.requires('adsp'), sep='\\n')"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what is installed, for an editable installation writes beside it."""
    copy = tmp_path_factory.mktemp("checkout")
    for folder in ("libs", "tools", "lockfiles"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "tasks.py"):
        shutil.copy(ROOT / file, copy)
    return copy


@pytest.fixture(scope="module")
def python(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package alone, without a network, and give the interpreter.

    What pip does needs the package `wheel`, or a setuptools newer than the one that Python brings.
    """
    folder = tmp_path_factory.mktemp("environment")
    base = next(found for found in find_interpreters("3.11") if found.has_pip_bundle)
    made = folder / "bin" / "python"
    subprocess.run([base.path, "-m", "venv", folder], check=True)
    setup: list[str | Path] = [made, "-c", "from setuptools import setup; setup()", "--quiet"]
    subprocess.run([*setup, "develop", "--no-deps"], cwd=checkout, check=True)
    return made


def _run(*command: str | Path, folder: Path) -> str:
    """Run a command with the packages of this environment, but without this checkout's code."""
    packages = [path for path in sys.path if path and Path(path).resolve() != ROOT]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(packages)}
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=True
    ).stdout


def _listed(file: Path) -> set[str]:
    lines = (line.partition(" #")[0].strip() for line in file.read_text().splitlines())
    return {line for line in lines if line and not line.startswith("#")}


def _parts(requirement: str) -> tuple[str, frozenset[str]]:
    """Split a requirement such as ``alembic<2,>=1.20`` into name and bounds, whose order is free."""
    place = min(requirement.index(sign) for sign in "<>=" if sign in requirement)
    return requirement[:place], frozenset(requirement[place:].split(","))


def test_the_package_needs_what_the_lock_is_made_from(python: Path, checkout: Path) -> None:
    required = _run(python, "-c", _REQUIRED, folder=checkout).splitlines()
    of_development = {
        _parts(line.partition(";")[0]) for line in required if line.endswith('extra == "dev"')
    }
    always = {_parts(line) for line in required if ";" not in line}

    listed = [
        *_listed(ROOT / "lockfiles/requirements.txt"),
        *_listed(ROOT / "lockfiles/cli-requirements.txt"),
    ]
    assert always == {*map(_parts, listed)}
    assert of_development == {*map(_parts, _listed(ROOT / "lockfiles/dev-requirements.txt"))}


def test_invoke_has_the_commands(python: Path, checkout: Path) -> None:
    commands = _run(python, "-m", "invoke", "--list", folder=checkout)
    status = _run(python, "-m", "invoke", "status", folder=checkout)

    assert {"trigger", "status", "test", "db.migrate"} <= set(commands.split())
    assert "The local stack is not running" in status


def test_the_modules_are_those_of_the_checkout(
    python: Path, checkout: Path, tmp_path: Path
) -> None:
    printed = _run(
        python,
        "-c",
        "import tasks, libs.common.version as v; print(v.__file__, tasks.__file__)",
        folder=tmp_path,
    )

    assert printed.split() == [
        str(checkout / "libs/common/version.py"),
        str(checkout / "tasks.py"),
    ]


def test_an_editable_installation_is_a_folder_on_the_path(python: Path, checkout: Path) -> None:
    """Seen before: with setuptools' finder the SQL files of namespace packages could not be read."""
    assert _run(python, "-c", _EDITABLE, folder=checkout).strip() == "_StaticPth"
