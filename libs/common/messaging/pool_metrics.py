"""Tell Prometheus what the children of a pool use: the metrics of a process are those of the parent alone.

The numbers are read from /proc at each scrape. The CPU of children that have ended is not lost: the kernel adds it to
their parent when it takes note of their end.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TRIES = 5
# Places in /proc/PID/stat behind the name, which may hold anything: state, parent, …, user and system ticks, … pages.
_STATE, _PARENT, _USER, _SYSTEM, _PAGES = 0, 1, 11, 12, 21

_ENDED = "Z"


@dataclass(frozen=True)
class Usage:
    """What the children use: how many run, their memory in bytes, their CPU in seconds, ended ones included."""

    processes: int
    memory: int
    cpu: float


class PoolCollector(Collector):
    """Prometheus' way to ask for the children of a process."""

    def __init__(self, parent: int) -> None:
        """Look at the children of `parent`, which is this process."""
        self._parent = parent
        self._cpu = 0.0

    def describe(self) -> list[Metric]:
        """Name nothing in advance: there is no child yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what the children use."""
        usage = read_usage(self._parent)
        # Should a reading miss a child that is just ending, the counter must not look like a new one.
        self._cpu = max(self._cpu, usage.cpu)
        yield GaugeMetricFamily(
            "adsp_pool_processes", "Child processes of the pool.", value=usage.processes
        )
        yield GaugeMetricFamily(
            "adsp_pool_resident_memory_bytes",
            "Resident memory of the pool's children; what they share with the parent is counted for each.",
            value=usage.memory,
        )
        yield CounterMetricFamily(
            "adsp_pool_cpu_seconds_total",
            "CPU time of the pool's children, those that have ended included.",
            value=self._cpu,
        )


def watch_pool() -> None:
    """Serve what this process' children use with its other metrics."""
    REGISTRY.register(PoolCollector(os.getpid()))


def read_usage(parent: int) -> Usage:
    """Return what this process' children use."""
    ended, children = _cpu_of_ended(), list(_children(parent))
    for _ in range(_TRIES):
        # A child that ended in between would be counted twice or not at all.
        if _cpu_of_ended() == ended:
            break
        ended, children = _cpu_of_ended(), list(_children(parent))
    return Usage(
        processes=sum(stat[_STATE] != _ENDED for stat in children),
        memory=sum(int(stat[_PAGES]) for stat in children) * _PAGE_BYTES,
        cpu=ended + sum(int(stat[_USER]) + int(stat[_SYSTEM]) for stat in children) / _TICKS,
    )


def _cpu_of_ended() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _children(parent: int) -> Iterator[list[str]]:
    """Yield what the kernel tells of each child, one that has ended and was not taken note of included."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if int(fields[_PARENT]) == parent:
            yield fields
