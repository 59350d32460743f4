"""The command that refreshes the pictures of the console in the documents."""

import os
import subprocess
import sys

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.bootstrap.locations import ROOT

_FILE = "tests/browser/test_pictures.py"
_FOLDER = "docs/images"


@task
def pictures(_context: Context) -> None:
    """Take the pictures of the console anew, in Chromium, into docs/images."""
    from tools.bootstrap.system_packages import ensure_program

    if not ensure_program("chromium", "chromium"):
        raise Exit(
            "Chromium is needed: sudo apt-get install --no-install-recommends chromium", code=1
        )
    command = [sys.executable, "-m", "pytest", "-q", _FILE]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "ADSP_PICTURES": str(ROOT / _FOLDER)}, check=False
    )
    if done.returncode:
        raise Exit(code=done.returncode)
    print(f"{_FOLDER}: {', '.join(sorted(path.name for path in (ROOT / _FOLDER).glob('*.png')))}")
