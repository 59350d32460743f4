"""Ask a ledger of millions of ended jobs what sweeps, plans, scrapes and pages ask, and show what each takes."""

import os
import subprocess
import sys

from libs.common.errors import AdspError
from tools.bootstrap.locations import ROOT

JOBS = 2_000_000
_CHUNKS = 5
_FAILED_ROWS = 200
"""Of each job in twenty: ten times as many as there are jobs."""
_FILES = (
    "services/worker/tests/integration/test_long_history.py",
    "services/api/tests/integration/test_page_times.py",
)


class TooSlowError(AdspError):
    """Something takes longer than it may, whatever the ledger holds."""


def measure_long_history(jobs: int) -> None:
    """Run it with so many ended jobs; raises `TooSlowError`."""
    sizes = {"JOBS": jobs, "CHUNKS": _CHUNKS, "FAILED_ROWS": _FAILED_ROWS}
    variables = {f"ADSP_HISTORY_{name}": str(size) for name, size in sizes.items()}
    for file in _FILES:
        command = [sys.executable, "-m", "pytest", "-q", "--show-capture=no", file]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False)
        if done.returncode:
            raise TooSlowError("something takes too long with so many ended jobs: see above")
