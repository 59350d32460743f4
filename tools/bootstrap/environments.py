"""Make the virtual environments from the locks, with every file's hash checked.

Four folders, each made once per content of its lock:
- ``.adsp/pex``: the installer itself, from lockfiles/pex.lock with pip;
- ``.adsp/venv``: what development, the local stack and the services run in;
- ``.adsp/pants``: Pants on its own CPython 3.9, and the PEX file that it installs with;
- ``.adsp/audit``: pip-audit, once somebody asks for it.
"""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from tools.bootstrap.commands import certificates, install_packages, run_step
from tools.bootstrap.errors import BootstrapError
from tools.bootstrap.folders import fingerprint, make_once
from tools.bootstrap.interpreters import Interpreter, find_interpreters
from tools.bootstrap.locations import LOCKFILES, ROOT

_COMMAND = """\
#!{python}
import sys

sys.path.insert(0, {root!r})

from services.cli.main import main

main()
"""
PROJECT_PYTHON = "3.11"
PANTS_PYTHON = "3.9"  # the wheels of Pants 2.17 on PyPI exist for CPython 3.7 to 3.9 only


def read_lock(name: str) -> dict[str, Any]:
    """Read a PEX lock; the one that Pants writes has a ``//`` header before the JSON."""
    lines = (LOCKFILES / name).read_text(encoding="utf-8").splitlines()
    lock: dict[str, Any] = json.loads(
        "\n".join(line for line in lines if not line.startswith("//"))
    )
    return lock


def development_environment() -> Path:
    """Return the environment of the project, made from lockfiles/python-default.lock."""
    python = project_interpreter()
    lock = (LOCKFILES / "python-default.lock").read_bytes()

    def build(folder: Path) -> None:
        _install(folder, "python-default.lock", python, "the environment")
        _add_command(folder)

    inputs = fingerprint(lock, str(python.path), _COMMAND)
    return make_once("venv", inputs, "bin/adsp", build)


def _add_command(folder: Path) -> None:
    """Add `adsp`, which runs the checkout's own code."""
    command = folder / "bin" / "adsp"
    interpreter = folder / "bin" / "python"
    command.write_text(_COMMAND.format(python=interpreter, root=str(ROOT)), encoding="utf-8")
    command.chmod(0o755)


def pants_environment() -> Path:
    """Return the folder with Pants' own environment, its ``pex.pex`` and ``pex.json``."""
    python = next(find_interpreters(PANTS_PYTHON), None)
    if python is None:
        raise BootstrapError(
            f"Pants needs CPython {PANTS_PYTHON} beside {PROJECT_PYTHON}; run: pyenv install"
            f" {PANTS_PYTHON} (or install the official `pants` launcher)"
        )
    locks = [(LOCKFILES / name).read_bytes() for name in ("pants.lock", "pex.lock")]

    def build(folder: Path) -> None:
        _install(folder, "pants.lock", python, "Pants")
        _build_pex_file(folder)

    inputs = fingerprint(*locks, str(python.path))
    return make_once("pants", inputs, "bin/pants", build)


def audit_environment() -> Path:
    """Return the environment of pip-audit, which is no part of the project's own."""
    python = project_interpreter()

    def build(folder: Path) -> None:
        _install(folder, "audit.lock", python, "pip-audit")

    inputs = fingerprint((LOCKFILES / "audit.lock").read_bytes(), str(python.path))
    return make_once("audit", inputs, "bin/pip-audit", build)


def project_interpreter() -> Interpreter:
    """Return the CPython 3.11 to build with."""
    found = next(find_interpreters(PROJECT_PYTHON), None)
    if found is None:
        raise BootstrapError(
            f"no CPython {PROJECT_PYTHON} found; run: sudo apt-get install"
            f" python{PROJECT_PYTHON} python{PROJECT_PYTHON}-venv"
        )
    return found


def _installer() -> Path:
    """Return the environment of pex, the only thing that pip itself installs."""
    (pinned,) = read_lock("pex.lock")["locked_resolves"][0]["locked_requirements"]
    hashes = [f"--hash=sha256:{artifact['hash']}" for artifact in pinned["artifacts"]]
    requirement = " ".join([f"pex=={pinned['version']}", *hashes])
    python = _interpreter_with_pip()

    def build(folder: Path) -> None:
        run_step("preparing the installer", [python.path, "-m", "venv", folder])
        wanted = folder / "requirements.txt"
        wanted.write_text(requirement + "\n", encoding="utf-8")
        pip: list[str | Path] = [folder / "bin/pip", "install", "--quiet", "--require-hashes"]
        run_step("getting the installer (pex)", [*pip, "--requirement", wanted])

    return make_once("pex", fingerprint(requirement, str(python.path)), "bin/pex3", build)


def _interpreter_with_pip() -> Interpreter:
    """Return an interpreter that can make an environment with pip in it, or get one as root."""
    for version in (PROJECT_PYTHON, PANTS_PYTHON):
        for found in find_interpreters(version):
            if found.has_pip_bundle:
                return found
    package = f"python{PROJECT_PYTHON}-venv"
    if os.geteuid() != 0:
        raise BootstrapError(f"this Python has no ensurepip; run: sudo apt-get install {package}")
    install_packages(package)
    return next(found for found in find_interpreters(PROJECT_PYTHON) if found.has_pip_bundle)


def _install(folder: Path, lock_name: str, python: Interpreter, what: str) -> None:
    """Install one lock into a new virtual environment.

    pex turns the lock into hashed requirements for this interpreter, and pip installs them: a third
    of the time that pex takes, and from whatever index the network offers.
    """
    installer = _installer()
    run_step(f"preparing {what}", [python.path, "-m", "venv", "--without-pip", folder])
    lock, wanted = folder / "lock.json", folder / "requirements.txt"
    lock.write_text(json.dumps(read_lock(lock_name)), encoding="utf-8")
    export: list[str | Path] = [installer / "bin/pex3", "lock", "export", "--format", "pip"]
    run_step("reading its lock", [*export, "--python", folder / "bin/python", "-o", wanted, lock])
    pip: list[str | Path] = [installer / "bin/pip", "--python", folder / "bin/python", "install"]
    pip += ["--quiet", "--no-deps", "--require-hashes", "--requirement", wanted]
    run_step(f"installing {what}", pip)


def _build_pex_file(folder: Path) -> None:
    """Build the PEX binary that Pants would otherwise fetch from a release page."""
    file = folder / "pex.pex"
    lock = LOCKFILES / "pex.lock"
    command: list[str | Path] = [_installer() / "bin/pex", "--lock", lock, "-c", "pex", "-o", file]
    run_step("building Pants' pex binary", [*command, *_network_options()])
    content = file.read_bytes()
    facts = {
        "version": read_lock("pex.lock")["locked_resolves"][0]["locked_requirements"][0]["version"],
        "sha256": sha256(content).hexdigest(),
        "size": len(content),
    }
    (folder / "pex.json").write_text(json.dumps(facts), encoding="utf-8")


def _network_options() -> list[str]:
    """Tell pex about the network's certificates and package index; it reads no pip settings."""
    options = ["--cert", file] if (file := certificates()) else []
    if index := os.environ.get("PIP_INDEX_URL"):
        options += ["--index-url", index]
    return options


def activated(environment: Path) -> dict[str, str]:
    """Return the variables of a process that runs in the environment."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = f"{environment / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return variables | {"VIRTUAL_ENV": str(environment), "PATH": path}
