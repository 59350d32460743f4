"""What people install: the wheel of `adsp` in a fresh environment, and the PEX as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.version import VERSION
from tools.bootstrap.interpreters import find_interpreters

REPOSITORY = Path(__file__).resolve().parents[2]
WHEEL, PEX = f"adsp_cli-{VERSION}-py3-none-any.whl", "adsp.pex"


def _built(name: str) -> Path:
    """Return a package: where Pants puts it for a test, or ./dev package."""
    for folder in (REPOSITORY, REPOSITORY / ".adsp" / "dist"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} is not built; run ./dev package")


def _run(*command: str | Path, packages: list[str] | None = None) -> str:
    """Run a command outside the checkout, with these folders of packages beside its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ADSP_")}
    variables = kept | {"PYTHONPATH": os.pathsep.join(packages or [])}
    done = subprocess.run(
        command, cwd="/", env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone, without a network, and give its command."""
    folder = tmp_path_factory.mktemp("environment")
    base = next(found for found in find_interpreters("3.11") if found.has_pip_bundle)
    _run(base.path, "-m", "venv", folder)
    pip: list[str | Path] = [folder / "bin/pip", "install", "--quiet", "--no-index", "--no-deps"]
    _run(*pip, _built(WHEEL))
    return folder / "bin" / "adsp"


def test_the_wheel_gives_the_command_and_needs_nothing_else_of_adsp(command: Path) -> None:
    packages = [path for path in sys.path if path and Path(path).resolve() != REPOSITORY]

    shown = _run(command, "--version", packages=packages)
    listed = _run(command, "datasets", "--help", packages=packages)

    assert shown == f"adsp {VERSION}\n"
    assert "apply" in listed


def test_the_wheel_holds_the_client_and_the_command_alone(command: Path) -> None:
    pip = command.with_name("pip")
    lines = _run(pip, "show", "--files", "adsp-cli").partition("Files:\n")[2].split()
    modules = [line for line in lines if line.endswith(".py")]

    assert "libs/client/client.py" in modules
    assert all(line.startswith(("libs/client/", "services/cli/")) for line in modules)
    assert not any("tests" in line for line in modules)


def test_the_pex_runs_as_it_is() -> None:
    assert _run(_built(PEX), "--version") == f"adsp {VERSION}\n"
