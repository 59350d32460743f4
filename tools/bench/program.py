"""Run the benchmark that was asked for, on a stack of its own, and return its report."""

from collections.abc import Callable
from dataclasses import dataclass

from tools.bench.cases import ALL, NAMES, PASSING, ROWS, SHORT_ROWS, SMALL
from tools.bench.comparison import Files, compare
from tools.bench.ledger import BenchError
from tools.bench.machine import Machine
from tools.bench.passing import measure_passing
from tools.bench.peers import ROWS as PEER_ROWS
from tools.bench.peers import run_peers
from tools.bench.report import Report
from tools.bench.scale import measure_scale
from tools.bench.small import measure_small_jobs
from tools.bench.system import BenchSystem, bench_system


@dataclass(frozen=True)
class Plan:
    """What to run; `small_files` are loaded at once, `alone` others one after the other."""

    rows: int = ROWS
    pairs: int = 3
    cases: tuple[str, ...] = NAMES
    scale: bool = False
    peers: bool = False
    small_files: int = 1_000
    alone: int = 50
    peer_rows: int = PEER_ROWS

    def __post_init__(self) -> None:
        unknown = set(self.cases) - set(NAMES)
        if unknown:
            raise BenchError(f"no case {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
        if self.rows < 1_000 or self.pairs < 1:
            raise BenchError("a benchmark needs at least 1000 rows and 1 pair")

    @classmethod
    def short(cls) -> "Plan":
        """Return a run of all cases that shows that the program and the counts are right."""
        return cls(rows=SHORT_ROWS, pairs=1, small_files=40, alone=5)


def run_bench(plan: Plan, tell: Callable[[str], None]) -> Report:
    """Run the plan; `tell` is called with what has just been found."""
    with bench_system() as system:
        tell("the stack is up")
        return _measure(system, plan, tell)


def _measure(system: BenchSystem, plan: Plan, tell: Callable[[str], None]) -> Report:
    files = Files(system, plan.rows)
    with system.ledger() as ledger:
        report = Report(Machine.describe(ledger.settings()), plan.pairs)
    for case in ALL:
        if case.name in plan.cases:
            report.comparisons.append(compare(files, case, plan.pairs, tell))
    if SMALL in plan.cases:
        report.small = measure_small_jobs(system, plan.small_files, plan.alone)
    if PASSING in plan.cases:
        report.passing = measure_passing(files)
    if plan.scale:
        report.scales = measure_scale(files, tell)
    if plan.peers:
        report.peers = run_peers(files, plan.peer_rows, tell)
    return report
