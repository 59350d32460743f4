"""Refuse modules that are too long to be read at one go: `python -m tools.checks.sizes`. Tests may be longer."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.bootstrap.locations import ROOT

MOST_LINES = 300


def too_long(root: Path, names: list[str]) -> Iterator[str]:
    """Yield each module of more lines, with their number."""
    for name in names:
        if "tests" in Path(name).parts or not (root / name).is_file():
            continue
        lines = (root / name).read_text(encoding="utf-8").count("\n")
        if lines > MOST_LINES:
            yield f"{name}: {lines} lines, more than {MOST_LINES}; split it by what it does"


def main() -> int:
    """Print each module that is too long; return 1 if there is one."""
    command = ["git", "ls-files", "-z", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    found = list(too_long(ROOT, [name for name in listed.stdout.decode().split("\0") if name]))
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
