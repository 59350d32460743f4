"""Give a service a wrong clock, by a library of a few lines: no namespace of the kernel shifts the time of day."""

import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")


def can_shift_clocks() -> bool:
    """Return whether there is a compiler to make the library with."""
    return shutil.which("cc") is not None


def clock_variables(folder: Path, minutes: int) -> dict[str, str]:
    """Return the environment in which a process reads a time of day that is wrong by so many minutes.

    The library is made in `folder`.
    """
    library = folder / "clock.so"
    if not library.exists():
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)]
        subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(60 * minutes)}
