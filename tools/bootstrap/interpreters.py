"""Find the CPython interpreters that make the environments.

A name on PATH proves nothing: pyenv's shims exist for versions that are not active and fail when
they are run. So each candidate is run once and asked what it is. The interpreter that runs this
needs no asking, so a command whose environment is up to date starts no other.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROBE = """
import importlib.util, json, os, sys
print(json.dumps({
    "name": sys.implementation.name,
    "version": "%d.%d" % sys.version_info[:2],
    "path": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
    "has_pip_bundle": importlib.util.find_spec("ensurepip") is not None,
}))
"""
_PROBE_TIMEOUT = 20  # seconds


@dataclass(frozen=True)
class Interpreter:
    """A CPython that runs; Debian's has no `ensurepip` unless python3-venv is installed."""

    path: Path
    version: str
    has_pip_bundle: bool


def find_interpreters(version: str) -> Iterator[Interpreter]:
    """Yield the working CPythons of a version such as ``3.11``, the preferred one first."""
    seen: set[Path] = set()
    if "ADSP_PYTHON" not in os.environ and (running := _running()).version == version:
        seen.add(running.path)
        yield running
    for candidate in _candidates(version):
        interpreter = _probe(candidate)
        if interpreter and interpreter.version == version and interpreter.path not in seen:
            seen.add(interpreter.path)
            yield interpreter


def _running() -> Interpreter:
    """Return the interpreter that runs this; in an environment, the one that made it."""
    path = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    version = "{}.{}".format(*sys.version_info[:2])
    return Interpreter(Path(path), version, importlib.util.find_spec("ensurepip") is not None)


def _candidates(version: str) -> Iterator[Path]:
    """Yield the files that may be an interpreter of the version."""
    name = f"python{version}"
    if chosen := os.environ.get("ADSP_PYTHON"):
        yield Path(chosen)
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        yield Path(folder or ".", name)
    for folder in ("/usr/local/bin", "/usr/bin"):
        yield Path(folder, name)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}*/bin/{name}"), reverse=True)


def _probe(candidate: Path) -> Interpreter | None:
    """Run a candidate and read what it is, or return nothing when it does not run."""
    if not os.access(candidate, os.X_OK):
        return None
    try:
        answer = subprocess.run(
            [candidate, "-I", "-c", _PROBE],
            capture_output=True,
            check=True,
            text=True,
            timeout=_PROBE_TIMEOUT,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    facts = json.loads(answer)
    if facts["name"] != "cpython":
        return None
    return Interpreter(Path(facts["path"]), facts["version"], facts["has_pip_bundle"])
