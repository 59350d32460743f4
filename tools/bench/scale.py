"""Measure whether time and memory keep to the file: one load of so many rows, one of four times as many.

psql loads both of the clean files too: what takes it longer than four times as long is the server's.
"""

from dataclasses import dataclass

from tools.bench.cases import CASES
from tools.bench.comparison import Files, Tell
from tools.bench.runs import Run, run_job, run_psql

FACTOR = 4
GOAL_PEAK_BYTES = 300_000_000
GOAL_PEAK_DRIFT = 0.15
GOAL_TIME_RATIO = 4.1
CASE_NAMES = ("append-atomic", "bad-1")


@dataclass(frozen=True)
class Scale:
    """A case at two sizes: rows, seconds and the peak bytes of one loader, the smaller first."""

    name: str
    rows: tuple[int, int]
    seconds: tuple[float, float]
    peak_loader_bytes: tuple[int, int]
    peak_process_bytes: tuple[int, int]
    psql_seconds: tuple[float, float]

    @property
    def psql_ratio(self) -> float:
        """Return how many times longer psql takes for the larger file."""
        return self.psql_seconds[1] / self.psql_seconds[0]

    @property
    def time_ratio(self) -> float:
        """Return how many times longer the larger file takes."""
        return self.seconds[1] / self.seconds[0]

    @property
    def drift(self) -> float:
        """Return how far the peaks of a loader lie apart, as a share of the smaller."""
        low, high = sorted(self.peak_loader_bytes)
        return high / low - 1


def measure_scale(files: Files, tell: Tell) -> list[Scale]:
    """Run the cases that are measured at two sizes."""
    return [_measure(files, name, tell) for name in CASE_NAMES]


def _measure(files: Files, name: str, tell: Tell) -> Scale:
    case = next(case for case in CASES if case.name == name)
    sizes = (files.rows, files.rows * FACTOR)
    runs: list[Run] = []
    psqls: list[Run] = []
    for rows in sizes:
        source, clean = files.source(case.items(rows)), files.source(case.clean_file(rows))
        runs.append(run_job(files.system, case, source, f"scale-{name}-{rows}"))
        psqls.append(run_psql(files.system, case, clean))
        tell(f"{name}, {rows} rows: {runs[-1].seconds:.2f} s, psql {psqls[-1].seconds:.2f} s")
        if rows != files.rows and source != clean:
            source.path.unlink()  # large; the next case has its own
    small, large = runs
    return Scale(
        name=name,
        rows=sizes,
        seconds=(small.seconds, large.seconds),
        peak_loader_bytes=(small.peak.loader, large.peak.loader),
        peak_process_bytes=(small.peak.process, large.peak.process),
        psql_seconds=(psqls[0].seconds, psqls[1].seconds),
    )
