"""The command that shows what a long history costs."""

import os
import subprocess
import sys

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.bootstrap.locations import ROOT

_FILE = "services/worker/tests/integration/test_long_history.py"


@task(help={"jobs": "How many jobs have ended; a million takes about five minutes."})
def history(_context: Context, jobs: int = 1_000_000) -> None:
    """Ask a ledger of so many ended jobs what sweeps, plans and scrapes ask, and show what each takes."""
    command = [sys.executable, "-m", "pytest", "-q", "--show-capture=no", _FILE]
    variables = {"ADSP_HISTORY_JOBS": str(jobs)}
    if subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode:
        raise Exit("a question reads more the more jobs have ended: see above", code=1)
