"""The command that compares the product with what is plainly right, on random inputs."""

import os
import subprocess
import sys
from secrets import randbelow

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.bootstrap.locations import ROOT

_FILES = "services/loader/tests/integration/test_oracle_seeds.py"
_DELIVERIES = "tests/deliveries/test_delivery_oracle.py"


@task(
    help={
        "seeds": "How many tables and files, or sequences of deliveries.",
        "minutes": "Begin no other after so many minutes.",
        "seed": "The first seed; by default one that is chosen at random, and printed.",
        "deliveries": "Play sequences of deliveries, with kills, and load them one after the other beside that.",
    }
)
def fuzz(
    _context: Context,
    seeds: int = 500,
    minutes: float = 10.0,
    seed: int = -1,
    deliveries: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Load tables and random files, and record by record beside that; nothing may differ."""
    first = randbelow(10**9) if seed < 0 else seed
    option = " --deliveries" if deliveries else ""
    print(f"Seeds from {first} on; again: ./dev fuzz{option} --seed {first} --seeds {seeds}")
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
        _DELIVERIES if deliveries else _FILES,
    ]
    if subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode:
        raise Exit("product and oracle differ, or could not be compared: see above", code=1)
