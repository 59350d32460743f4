"""Measure the CPU time of a run: of Postgres with all its processes, of those that send it the rows, or of all."""

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.bench.memory import tree_of

_PROC = Path("/proc")
_MOST_READS = 50
_TICKS = os.sysconf("SC_CLK_TCK")
_TIMES = slice(11, 15)
"""Where its stat has, behind its name, its own user and system time, and those of the children it has reaped."""


@dataclass
class CpuTime:
    """Seconds of CPU: of all processes of the server, and of loaders or psql."""

    server: float = 0.0
    client: float = 0.0


@contextmanager
def cpu_of(backend: int, loaders: list[int]) -> Iterator[CpuTime]:
    """Measure the server of this backend, and loaders or, without, what is run and waited for in the block."""
    postmaster = int(_stat(backend)[1])
    spent = CpuTime()
    before = _server(postmaster), _client(loaders)
    yield spent
    spent.server = _server(postmaster) - before[0]
    spent.client = _client(loaders) - before[1]


@contextmanager
def cpu_by_name(backend: int, services: Mapping[str, list[int]]) -> Iterator[dict[str, float]]:
    """Measure Postgres, each of these services, and what else the machine does meanwhile, in seconds."""
    postmaster = int(_stat(backend)[1])
    spent: dict[str, float] = {}
    before = _by_name(postmaster, services)
    yield spent
    after = _by_name(postmaster, services)
    spent |= {name: after[name] - seconds for name, seconds in before.items()}
    spent["others"] -= sum(seconds for name, seconds in spent.items() if name != "others")


def _by_name(postmaster: int, services: Mapping[str, list[int]]) -> dict[str, float]:
    found = {name: _client(pids) for name, pids in services.items()}
    return {"Postgres": _server(postmaster), **found, "others": _machine()}


def _machine() -> float:
    """Return how long all cores were at work, see proc(5)."""
    user, nice, system = map(int, (_PROC / "stat").read_text().split()[1:4])
    return (user + nice + system) / _TICKS


def _server(postmaster: int) -> float:
    """Return what the server and its children took, read again while one ends: then its time passes to the server."""
    seconds = 0.0
    for _ in range(_MOST_READS):
        pids = tree_of(postmaster)
        seconds = sum(map(_seconds, pids))
        if tree_of(postmaster) == pids:
            break
    return seconds


def _client(loaders: list[int]) -> float:
    if loaders:
        return sum(_seconds(pid) for loader in loaders for pid in tree_of(loader))
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _seconds(pid: int) -> float:
    with suppress(OSError):
        return sum(map(int, _stat(pid)[_TIMES])) / _TICKS
    return 0.0


def _stat(pid: int) -> list[str]:
    """Return the fields of a process' stat from its state on, see proc(5)."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
