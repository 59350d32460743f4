"""The command that does harm to a system of its own and checks that nothing is lost or loaded twice."""

import subprocess
import sys

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.bootstrap.locations import ROOT


@task(
    help={
        "seeds": "How many episodes, each with faults of its own.",
        "minutes": "Begin no episode after so many minutes.",
        "seed": "The first seed; the same seed chooses the same faults.",
        "failover": "Let Postgres fail over to its standby instead, again and again.",
        "load": "Drain 10,000 jobs while loaders are killed, and read while 5 million rows load.",
    }
)
def faults(
    _context: Context,
    seeds: int = 20,
    minutes: float = 60.0,
    seed: int = 1,
    failover: bool = False,  # noqa: FBT001, FBT002
    load: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Kill, freeze and cut a system of its own by seed; every row must be there once in the end."""
    arguments = ["--seeds", str(seeds), "--minutes", str(minutes), "--seed", str(seed)]
    harm = "failover" if failover else "checker"
    program = ["load"] if load else [harm, *arguments]
    command = [sys.executable, "-m", "tests.faults.harness." + program[0], *program[1:]]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise Exit("the check of faults failed: what is wrong stands above", code=1)
