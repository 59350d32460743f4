"""The command that runs ADSP on several hosts, does harm to them, and measures how throughput grows with them."""

import subprocess
import sys

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.bootstrap.locations import ROOT


@task(
    help={
        "scale": "Measure one, two and four loaders, each on a host with a slow link.",
        "only": "Only faults whose name has this in it, such as 'the worker' or 'RabbitMQ'.",
        "seeds": "So many faults chosen by seed, of other lengths, instead of each once.",
        "seed": "The first seed; the same seed chooses the same fault.",
    }
)
def hosts(
    _context: Context,
    scale: bool = False,  # noqa: FBT001, FBT002
    only: str = "",
    seeds: int = 0,
    seed: int = 1,
) -> None:
    """Run every service on a host of its own (network namespaces; needs root) and cut, lose or slow hosts."""
    arguments = ["--only", only, "--seeds", str(seeds), "--seed", str(seed)]
    chosen = ["--scale"] if scale else arguments
    command = [sys.executable, "-m", "tests.hosts.program", *chosen]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise Exit("not all was well with the hosts: what is wrong stands above", code=1)
