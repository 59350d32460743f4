"""Ask Docker Compose for the stack where there is an engine and the compose file has services."""

import shutil
import subprocess
from pathlib import Path

from tools.localstack.layout import REPOSITORY
from tools.localstack.passwords import ensure_passwords

COMPOSE_FILE = "docker-compose.yml"
_ASK_SECONDS = 10.0


def compose_command(repository: Path = REPOSITORY) -> list[str] | None:
    """Return how to call Compose for this stack, None when it cannot run in containers here."""
    if not (repository / COMPOSE_FILE).exists() or not _engine_answers():
        return None
    ensure_passwords(repository)  # without them Compose refuses the file
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and _services(command, repository):
            return command
    return None


def _engine_answers() -> bool:
    return shutil.which("docker") is not None and _ask(["docker", "info"], REPOSITORY) is not None


def _services(command: list[str], repository: Path) -> list[str]:
    answer = _ask([*command, "--file", COMPOSE_FILE, "config", "--services"], repository)
    return (answer or "").split()


def _ask(command: list[str], folder: Path) -> str | None:
    """Return what a command prints, or None when it fails or hangs."""
    try:
        asked = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout
