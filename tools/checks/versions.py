"""Refuse a version that is not the same everywhere: `python -m tools.checks.versions`.

The code's is right (`libs/common/version.py`); the changelog's newest release, the command's and the images' follow it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from libs.common.version import VERSION
from tools.bootstrap.locations import ROOT

_RELEASE = re.compile(r"^## \[(\d[^\]]*)\]", re.MULTILINE)
_COMMAND = re.compile(r'^VERSION = "(.+)"$', re.MULTILINE)
_WHEEL = re.compile(r'^ +version="(.+)",$', re.MULTILINE)
_IMAGE = re.compile(r"^ARG ADSP_VERSION=(\S+)$", re.MULTILINE)


def other_versions(root: Path = ROOT, version: str = VERSION) -> Iterator[str]:
    """Yield each file that names another version than the code, or none, and what it names."""
    for file, pattern in _places(root):
        found = pattern.search(file.read_text(encoding="utf-8"))
        named = found[1] if found else "no version"
        if named != version:
            yield f"{file.relative_to(root)}: {named}, but libs/common/version.py has {version}"


def _places(root: Path) -> Iterator[tuple[Path, re.Pattern[str]]]:
    yield root / "CHANGELOG.md", _RELEASE
    yield root / "services/cli/version.py", _COMMAND
    yield root / "BUILD", _WHEEL
    yield root / "infra" / "Dockerfile", _IMAGE


def main() -> int:
    """Print each place with another version; return 1 if there is one."""
    found = list(other_versions())
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
