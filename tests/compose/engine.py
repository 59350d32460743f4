"""Run a Docker engine of the tests' own: own data, own socket, own network."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any

from libs.devstack.child_process import ChildProcess, Command
from libs.devstack.errors import ServerFailedError
from libs.devstack.file_locks import EXCLUSIVE, held
from libs.devstack.os_user import Account, machine_folder
from tests.compose.isolation import IsolationError, own_network
from tools.bootstrap.system_packages import ensure_program

PROGRAMS = {
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
}
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_COMMAND_SECONDS = 600.0


class EngineMissingError(Exception):
    """No engine can run here; the message says why."""


@dataclass(frozen=True)
class Engine:
    """A running engine."""

    socket: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of its clients; the classic builder is the one that is always there."""
        return {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0"}

    def docker(self, *arguments: str | Path, check: bool = True, **options: Any) -> str:
        """Run the docker client and return what it prints; raise with its complaint when it fails."""
        return run(["docker", *arguments], self.environment, check=check, **options)


def run(
    command: list[str | Path], environment: dict[str, str], *, check: bool = True, **options: Any
) -> str:
    """Run a command in bounded time and return its output and complaints."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
        **options,
    )
    if check and done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def require_programs() -> None:
    """Install what an engine and its images need; raise `EngineMissingError` where that cannot be done."""
    if os.geteuid() != 0:
        raise EngineMissingError("an engine of its own needs root")
    missing = [
        package for program, package in PROGRAMS.items() if not ensure_program(program, package)
    ]
    if missing:
        raise EngineMissingError(f"not installed and not available: {', '.join(missing)}")


@contextmanager
def own_engine() -> Iterator[Engine]:
    """Start an engine and stop it with all that it runs; raise `EngineMissingError` where none can run."""
    require_programs()
    folder = machine_folder() / "engine"
    with held(folder.with_suffix(".lock"), EXCLUSIVE), _network():
        folder.mkdir(exist_ok=True)
        daemon = _start(folder)
        try:
            yield Engine(folder / "docker.sock")
        finally:
            daemon.stop(_STOP_SECONDS)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _network() -> Iterator[None]:
    try:
        with own_network():
            yield
    except IsolationError as exc:
        raise EngineMissingError(str(exc)) from exc


def _start(folder: Path) -> ChildProcess:
    """Start the daemon; it stops its containers when the tests' process dies."""
    (folder / "pid").unlink(missing_ok=True)
    daemon = ChildProcess.start(
        Command(
            name="dockerd",
            arguments=[
                "dockerd",
                *("--host", f"unix://{folder / 'docker.sock'}"),
                *("--data-root", folder / "data", "--exec-root", folder / "exec"),
                *("--pidfile", folder / "pid"),
            ],
            environment=dict(os.environ),
            folder=folder,
            log=folder / "log",
            account=Account(0, 0),
            orphan_signal=SIGTERM,
        )
    )
    engine = Engine(folder / "docker.sock")
    try:
        daemon.wait_ready(lambda: _answers(engine), _START_SECONDS)
    except ServerFailedError as exc:
        daemon.stop(_STOP_SECONDS)
        raise EngineMissingError(str(exc)) from exc
    return daemon


def _answers(engine: Engine) -> bool:
    return "Server Version" in engine.docker("info", check=False)
