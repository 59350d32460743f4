"""Ask Docker in bounded time; where it is missing, fails or hangs, the answer is None."""

import shutil
import subprocess
from pathlib import Path

_ASK_SECONDS = 10.0


def engine_answers() -> bool:
    """Return whether there is a Docker client whose engine answers."""
    return shutil.which("docker") is not None and ask(["docker", "info"]) is not None


def ask(command: list[str], folder: Path | None = None) -> str | None:
    """Return what a command prints, run in `folder` or here, or None when it fails or hangs."""
    try:
        asked = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout
