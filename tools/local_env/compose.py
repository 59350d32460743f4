"""Ask Docker Compose for the stack where there is an engine and the compose file has services."""

import shutil
from pathlib import Path

from tools.bootstrap.locations import ROOT
from tools.local_env.docker import ask, engine_answers
from tools.local_env.passwords import ensure_passwords

COMPOSE_FILE = "docker-compose.yml"


def compose_command(repository: Path = ROOT) -> list[str] | None:
    """Return how to call Compose for this stack, None when it cannot run in containers here."""
    if not (repository / COMPOSE_FILE).exists() or not engine_answers():
        return None
    ensure_passwords(repository)  # without them Compose refuses the file
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and _services(command, repository):
            return command
    return None


def _services(command: list[str], repository: Path) -> list[str]:
    answer = ask([*command, "--file", COMPOSE_FILE, "config", "--services"], repository)
    return (answer or "").split()
