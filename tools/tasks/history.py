"""The command that shows what a long history costs."""

import os
import subprocess
import sys

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.bootstrap.locations import ROOT

_FILES = (
    "services/worker/tests/integration/test_long_history.py",
    "services/api/tests/integration/test_page_times.py",
)


@task(help={"jobs": "How many jobs have ended; a million takes about five minutes."})
def history(_context: Context, jobs: int = 1_000_000) -> None:
    """Ask a ledger of so many ended jobs what sweeps, plans, scrapes and pages ask, and show what each takes."""
    variables = {**os.environ, "ADSP_HISTORY_JOBS": str(jobs)}
    for file in _FILES:
        command = [sys.executable, "-m", "pytest", "-q", "--show-capture=no", file]
        if subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode:
            raise Exit("something takes too long with so many ended jobs: see above", code=1)
