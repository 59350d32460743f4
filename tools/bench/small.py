"""Measure what a job costs beside its rows: many small files at once, and one alone."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from libs.devstack.waiting import wait_until
from tools.bench.cases import KEYED, Case
from tools.bench.cpu import cpu_by_name
from tools.bench.ledger import BenchError
from tools.bench.runs import JOB_SECONDS, fresh_target, let_settle
from tools.bench.system import BenchSystem
from tools.client.sample_items import ItemsFile

ROWS = 100
IN_FLIGHT = 8
GOAL_JOBS_PER_SECOND = 60.0
GOAL_ALONE_SECONDS = 0.050
GOAL_FILES_PER_SECOND = 300.0
_CASE = Case("small", "small files", 0.0, table=KEYED)


@dataclass(frozen=True)
class SmallJobs:
    """How many jobs a second, how long a job alone and one over all files take from POST to end state.

    `cpu_seconds` is what all the jobs that came at once took of each process.
    """

    files: int
    seconds: float
    cpu_seconds: dict[str, float]
    alone_seconds: list[float]
    one_job_seconds: float

    @property
    def files_per_second(self) -> float:
        """Return how many files a second one job over all of them loads."""
        return self.files / self.one_job_seconds

    @property
    def jobs_per_second(self) -> float:
        """Return how many of the jobs that came at once were over in a second."""
        return self.files / self.seconds

    @property
    def alone_median(self) -> float:
        """Return the median time of a job alone."""
        return median(self.alone_seconds)


def measure_small_jobs(system: BenchSystem, files: int, alone: int) -> SmallJobs:
    """Load so many files with 8 requests in flight, then so many others one after the other."""
    paths = [_write(system, number) for number in range(files + alone)]
    let_settle(paths[-1])
    with system.ledger() as ledger, cpu_by_name(ledger.backend_pid(), system.service_pids()) as cpu:
        seconds = _all_at_once(system, paths[:files])
    alone_seconds = _one_by_one(system, paths[files:])
    for path in paths[files:]:
        path.unlink()  # the pattern of the job over all others means it too
    return SmallJobs(files, seconds, cpu, alone_seconds, _in_one_job(system, files))


def _write(system: BenchSystem, number: int) -> Path:
    path = system.incoming / f"small-{number}.csv"
    ItemsFile(ROWS, first=number * ROWS + 1).write(path)
    return path


def _all_at_once(system: BenchSystem, paths: list[Path]) -> float:
    """Return the time from the first POST until no job is unfinished."""
    dataset = "bench-small-many"
    with (
        system.ledger() as ledger,
        system.client as client,
        fresh_target(ledger, _CASE, is_filled=False) as table,
    ):
        client.put_dataset(dataset, {"table": table})
        with ThreadPoolExecutor(IN_FLIGHT) as threads:
            start = time.perf_counter()
            list(threads.map(lambda path: client.submit(dataset=dataset, source=path.name), paths))
            over = wait_until(lambda: ledger.unfinished(dataset) == 0, JOB_SECONDS)
            seconds = time.perf_counter() - start
        if not over or ledger.states(dataset) != {"succeeded": len(paths)}:
            raise BenchError(f"small jobs ended as {ledger.states(dataset)}")
        if ledger.count(table) != len(paths) * ROWS:
            raise BenchError("the small jobs' rows are not all there")
    return seconds


def _one_by_one(system: BenchSystem, paths: list[Path]) -> list[float]:
    dataset = "bench-small-alone"
    taken = []
    with (
        system.ledger() as ledger,
        system.client as client,
        fresh_target(ledger, _CASE, is_filled=False) as table,
    ):
        client.put_dataset(dataset, {"table": table})
        for path in paths:
            start = time.perf_counter()
            job = client.submit(dataset=dataset, source=path.name)
            taken.append(ledger.wait_over(job.id, JOB_SECONDS) - start)
        if ledger.states(dataset) != {"succeeded": len(paths)}:
            raise BenchError(f"small jobs ended as {ledger.states(dataset)}")
        if ledger.count(table) != len(paths) * ROWS:
            raise BenchError("the small jobs' rows are not all there")
    return taken


def _in_one_job(system: BenchSystem, files: int) -> float:
    """Return the time of one job over all files that are there."""
    dataset = "bench-small-files"
    with (
        system.ledger() as ledger,
        system.client as client,
        fresh_target(ledger, _CASE, is_filled=False) as table,
    ):
        client.put_dataset(dataset, {"table": table, "source": "small-*.csv", "match": "all"})
        start = time.perf_counter()
        job = client.submit(dataset=dataset)
        seconds = ledger.wait_over(job.id, JOB_SECONDS) - start
        if ledger.states(dataset) != {"succeeded": 1} or ledger.count(table) != files * ROWS:
            raise BenchError(f"the job over {files} files ended as {ledger.states(dataset)}")
    return seconds
