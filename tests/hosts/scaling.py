"""Load one file with one loader, two and four, each on a host whose link is the bound: throughput grows with them.

The links are slow, since hosts of namespaces share one machine: that it has processors left is part of the figures.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.site import LOADERS, Site

MBIT = 4.0
CHUNK_BYTES = 1 << 19
VARIABLES = {
    "ADSP_CHUNK_BYTES": str(CHUNK_BYTES),
    "ADSP_CHUNKS_AT_ONCE": "16",
    "ADSP_BLOCK_BYTES": str(1 << 18),
}
COUNTS = (4, 2, 1)
LEAST_GROWTH = {2: 1.8, 4: 3.2}
"""What so many loaders must load for each byte that one loads in the same time."""
_PATIENCE = 600.0


@dataclass(frozen=True)
class Measured:
    """One load: seconds from its first plan to its end, processor seconds of the whole machine in that time."""

    loaders: int
    rows: int
    size: int
    seconds: float
    busy: float

    @property
    def rate(self) -> float:
        """Return the bytes a second."""
        return self.size / self.seconds

    def growth_from(self, one: "Measured") -> float:
        """Return how many times as much was loaded a second."""
        return self.rate / one.rate


def measure(site: Site, rows: int) -> list[Measured]:
    """Load a file of so many rows with four loaders, then two, then one; return that in ascending order."""
    for name in LOADERS:
        site.host(name).limit(MBIT)
    _load(site, len(LOADERS), rows // 10)  # what is compiled or opened once is not measured
    measured = []
    for count in COUNTS:
        for name in LOADERS[count:]:
            if name in site.system.processes:
                site.system.kill(name)
        measured.append(_load(site, count, rows))
    return measured[::-1]


def _load(site: Site, count: int, rows: int) -> Measured:
    """Load a file with those that run; raises `AssertionError` when its rows are not there once."""
    before = _busy_seconds()
    start = time.monotonic()
    job = site.deliver(rows)
    verdict = site.wait_over(job, _PATIENCE)
    if not verdict.is_clean:
        raise AssertionError(str(verdict))
    busy = (_busy_seconds() - before) / (time.monotonic() - start) / (os.cpu_count() or 1)
    [(seconds,)] = site.system.query(
        "SELECT extract(epoch FROM finished_at - started_at)::float8 FROM adsp.jobs WHERE id = %s",
        job.job_id,
    )
    return Measured(count, rows, job.content.path.stat().st_size, seconds, busy)


def _busy_seconds() -> float:
    """Return the processor seconds that the machine has spent on anything since it started."""
    with Path("/proc/stat").open() as lines:
        user, nice, system, _idle, _waiting, *rest = map(int, next(lines).split()[1:])
    return (user + nice + system + sum(rest[:2])) / os.sysconf("SC_CLK_TCK")


def table_of(measured: list[Measured]) -> str:
    """Return the figures as a table of a document."""
    one = measured[0]
    lines = [
        "| loaders | seconds | MB/s | rows/s | times one loader | processors busy |",
        "|---|---|---|---|---|---|",
    ]
    for each in measured:
        cells = (
            str(each.loaders),
            f"{each.seconds:.1f}",
            f"{each.rate / 1e6:.2f}",
            f"{each.rows / each.seconds:,.0f}",
            f"{each.growth_from(one):.2f}",
            f"{each.busy:.0%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def grows(measured: list[Measured]) -> bool:
    """Return whether two and four loaders load as many times as much as they must."""
    one = measured[0]
    return all(
        each.growth_from(one) >= LEAST_GROWTH[each.loaders]
        for each in measured
        if each.loaders in LEAST_GROWTH
    )
