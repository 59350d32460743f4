"""The command that compares the loader with one INSERT per record on tables and files made by chance."""

import os
import subprocess
import sys
from secrets import randbelow

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.bootstrap.locations import ROOT

_TESTS = "services/loader/tests/integration/test_oracle_seeds.py"


@task(
    help={
        "seeds": "How many tables and files.",
        "minutes": "Begin no other after so many minutes.",
        "seed": "The first seed; by default one that is chosen by chance, and printed.",
    }
)
def oracle(_context: Context, seeds: int = 500, minutes: float = 10.0, seed: int = -1) -> None:
    """Load tables and files made by chance, and record by record beside that; nothing may differ."""
    first = randbelow(10**9) if seed < 0 else seed
    print(f"Seeds from {first} on; again: ./dev oracle --seed {first} --seeds {seeds}")
    chosen = {"SEED": str(first), "SEEDS": str(seeds), "MINUTES": str(minutes)}
    variables = {f"ADSP_ORACLE_{name}": value for name, value in chosen.items()}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--show-capture=no",
        "-k",
        "random_seeds",
        _TESTS,
    ]
    if subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode:
        raise Exit("loader and oracle differ, or could not be compared: see above", code=1)
