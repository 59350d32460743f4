"""Describe where and on what a benchmark ran, since its numbers mean nothing without."""

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tools.bootstrap.locations import ROOT


@dataclass(frozen=True)
class Machine:
    """The machine, the code and the time of a benchmark; memory in bytes."""

    processor: str
    cores: int
    memory_bytes: int
    kernel: str
    commit: str
    date: str
    postgres: dict[str, str]
    """The version and the settings of the server that both sides wrote to."""

    @classmethod
    def describe(cls, postgres: dict[str, str]) -> "Machine":
        """Describe this machine and this moment."""
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            kernel=platform.release(),
            commit=_commit(),
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            postgres=postgres,
        )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    """Return the commit, or say that there is none: an unpacked release has no history."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"
