"""Run a case and psql alternately, so that both meet the same machine, and compare their medians."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from tools.bench.cases import Case, Present
from tools.bench.cpu import CpuTime
from tools.bench.ledger import BenchError
from tools.bench.runs import BASE_TABLE, Run, Source, run_job, run_psql
from tools.bench.shapes import ShapeFile
from tools.bench.system import BenchSystem
from tools.client.sample_items import ItemsFile

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Comparison:
    """A case's times and CPU beside psql's, in seconds, pair by pair; peaks in bytes."""

    name: str
    what: str
    goal: float
    rows: int
    file_bytes: int
    bad_rows: int
    job_seconds: list[float]
    psql_seconds: list[float]
    job_cpu: list[CpuTime]
    psql_cpu: list[CpuTime]
    peak_process_bytes: int
    peak_loader_bytes: int

    @property
    def ratio(self) -> float:
        """Return the median of the pairs' ratios of our time to psql's."""
        pairs = zip(self.job_seconds, self.psql_seconds, strict=True)
        return median(job / psql for job, psql in pairs)

    @property
    def reached(self) -> bool:
        """Return whether the goal is reached."""
        return self.ratio <= self.goal

    @property
    def rows_per_second(self) -> float:
        """Return our rows a second, at the median time."""
        return self.rows / median(self.job_seconds)

    @property
    def bytes_per_second(self) -> float:
        """Return our bytes of the file a second, at the median time."""
        return self.file_bytes / median(self.job_seconds)


@dataclass(frozen=True)
class Files:
    """The files of a benchmark, each made once."""

    system: BenchSystem
    rows: int

    def source(self, file: ItemsFile | ShapeFile) -> Source:
        """Return a file, made now unless it is there."""
        return self._shaped(file) if isinstance(file, ShapeFile) else self._items(file)

    def _shaped(self, file: ShapeFile) -> Source:
        path = self.system.incoming / f"{file.shape.name}-{file.rows}.csv"
        if not path.exists():
            with self.system.ledger() as ledger:
                file.shape.make_types(ledger)
                file.write(ledger, path)
        return Source(path, file.rows, 0)

    def _items(self, items: ItemsFile) -> Source:
        form = f"{items.half_present}-{items.is_next_day}-{items.is_german}"
        name = f"{items.rows}-{items.bad_ratio}-{items.seed}-{form}.csv"
        path = self.system.incoming / name
        marker = path.with_suffix(".bad")
        if not marker.exists():
            marker.write_text(str(items.write(path)))
        return Source(path, items.rows, int(marker.read_text()))

    def fill_base(self, case: Case) -> None:
        """Fill the table whose rows a job of this case finds before it."""
        source = self.source(ItemsFile(case.items(self.rows).rows))
        with self.system.ledger() as ledger:
            ledger.execute(f"DROP TABLE IF EXISTS {BASE_TABLE}")
            ledger.execute(f"CREATE TABLE {BASE_TABLE} (LIKE public.items)")
            with source.path.open("rb") as file:
                ledger.copy_csv(BASE_TABLE, file)


def compare(files: Files, case: Case, pairs: int, tell: Tell) -> Comparison:
    """Run a case so many times beside psql; raise `BenchError` when a run left what it must not."""
    if case.present is not Present.NONE:
        files.fill_base(case)
    source = files.source(case.file(files.rows))
    clean = files.source(case.clean_file(files.rows))
    jobs: list[Run] = []
    psqls: list[Run] = []
    for number in range(pairs):
        # Who goes first takes turns, for the one may leave the machine warmer for the other.
        for ours in (True, False) if number % 2 == 0 else (False, True):
            if ours:
                dataset = f"bench-{case.name}-{files.rows}-{number}"
                jobs.append(run_job(files.system, case, source, dataset))
            else:
                psqls.append(run_psql(files.system, case, clean))
        tell(f"{case.name}: {jobs[-1].seconds:.2f} s, psql {psqls[-1].seconds:.2f} s")
    refused = source.bad + case.refused(source.rows)
    _require_equal(case, jobs, psqls, refused)
    return Comparison(
        name=case.name,
        what=case.what,
        goal=case.goal,
        rows=source.rows,
        file_bytes=source.size,
        bad_rows=refused,
        job_seconds=[run.seconds for run in jobs],
        psql_seconds=[run.seconds for run in psqls],
        job_cpu=[run.cpu for run in jobs],
        psql_cpu=[run.cpu for run in psqls],
        peak_process_bytes=max(run.peak.process for run in jobs),
        peak_loader_bytes=max(run.peak.loader for run in jobs),
    )


def _require_equal(case: Case, jobs: list[Run], psqls: list[Run], bad: int) -> None:
    """Compare what the tables held; with bad rows, only the counts could be compared."""
    contents = {run.content for run in (jobs if bad else [*jobs, *psqls])}
    if len(contents) != 1:
        sums = [content.sums for content in contents]
        raise BenchError(f"{case.name}: the tables' sums differ: {sums}")
