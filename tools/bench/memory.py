"""Measure how much memory each loader needs at its peak, while a run goes on.

Two numbers: the largest process (VmHWM, which the kernel keeps, so no peak is missed), and a whole
loader, parent and children together (the sum of their PSS, which counts shared pages once, sampled).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.25
_PROC = Path("/proc")
_RESET_PEAK = "5"
"""What clear_refs takes to reset VmHWM, see proc(5)."""


@dataclass
class Peak:
    """Peaks in bytes, of the loader that needed most."""

    process: int = 0
    loader: int = 0


@contextmanager
def peak_of(parents: list[int]) -> Iterator[Peak]:
    """Measure the loaders with these parents until the block ends."""
    peak = Peak()
    seen = {pid for parent in parents for pid in tree_of(parent)}
    for pid in seen:
        _write(_PROC / str(pid) / "clear_refs", _RESET_PEAK)
    ended = threading.Event()

    def sample() -> None:
        while True:
            for parent in parents:
                pids = tree_of(parent)
                seen.update(pids)
                peak.loader = max(peak.loader, sum(_pss(pid) for pid in pids))
            if ended.wait(_SAMPLE_SECONDS):
                return

    sampler = threading.Thread(target=sample, name="memory")
    sampler.start()
    try:
        yield peak
    finally:
        ended.set()
        sampler.join()
        peak.process = max((_high_water(pid) for pid in seen), default=0)


def tree_of(parent: int) -> list[int]:
    """Return a process and its children; those of a loader, and of Postgres, have none."""
    with suppress(OSError):
        children = (_PROC / str(parent) / "task" / str(parent) / "children").read_text().split()
        return [parent, *map(int, children)]
    return []


def _pss(pid: int) -> int:
    return _field(_PROC / str(pid) / "smaps_rollup", "Pss:")


def _high_water(pid: int) -> int:
    return _field(_PROC / str(pid) / "status", "VmHWM:")


def _field(path: Path, name: str) -> int:
    """Return a field in bytes, 0 when the process is gone."""
    with suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


def _write(path: Path, text: str) -> None:
    with suppress(OSError):
        path.write_text(text)
