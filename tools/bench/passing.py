"""Measure how long a small job takes while large ones load: files loaded as a whole, and chunks of others."""

import time
from dataclasses import dataclass
from statistics import median

from tools.bench.cases import CASES, CHUNKED, KEYED, Case
from tools.bench.comparison import Files
from tools.bench.ledger import BenchError
from tools.bench.runs import JOB_SECONDS, fresh_target
from tools.client.sample_items import ItemsFile

GOAL_SECONDS = 2.0
_SMALL_ROWS = 150
"""Some 10 kB."""
_MOST_SMALL = 500
_SMALL_TABLE = "public.bench_passing"
_LARGE: tuple[dict[str, object], ...] = ({"mode": "append"}, CHUNKED, {"mode": "append"}, CHUNKED)
_CASE = Case("passing", "large jobs", 0.0, table=CASES[0].table)


@dataclass(frozen=True)
class Passing:
    """The seconds of each small job, from POST to end state, beside jobs of so many rows."""

    large_jobs: int
    large_rows: int
    seconds: list[float]

    @property
    def median(self) -> float:
        """Return the median time of a small job."""
        return median(self.seconds)


def measure_passing(files: Files) -> Passing:
    """Load large files, and a small one again and again until the first large job is over."""
    system = files.system
    source = files.source(_CASE.items(files.rows))
    small = system.incoming / "passing.csv"
    ItemsFile(_SMALL_ROWS).write(small)
    seconds: list[float] = []
    with (
        system.ledger() as ledger,
        system.client as client,
        fresh_target(ledger, _CASE, is_filled=False) as table,
    ):
        ledger.execute(f"CREATE TABLE {_SMALL_TABLE} ({KEYED})")
        ledger.execute(f"GRANT SELECT, INSERT, UPDATE ON {_SMALL_TABLE} TO adsp_loader")
        client.put_dataset(
            "passing-small", {"table": _SMALL_TABLE, "mode": "upsert", "key": ["sku"]}
        )
        large = []
        for number, definition in enumerate(_LARGE):
            client.put_dataset(f"passing-{number}", {"table": table, **definition})
            large.append(client.submit(dataset=f"passing-{number}", source=source.path.name).id)
        for _ in range(_MOST_SMALL):
            start = time.perf_counter()
            job = client.submit(dataset="passing-small", source=small.name, force=True)
            seconds.append(ledger.wait_over(job.id, JOB_SECONDS) - start)
            if any(ledger.is_over(each) for each in large):
                break
        for each in large:
            ledger.wait_over(each, JOB_SECONDS)
        if ledger.count(table) != len(_LARGE) * source.rows:
            raise BenchError("the large jobs' rows are not all there")
        if ledger.states("passing-small") != {"succeeded": len(seconds)}:
            raise BenchError(f"small jobs ended as {ledger.states('passing-small')}")
        ledger.execute(f"DROP TABLE {_SMALL_TABLE}")
    return Passing(len(_LARGE), source.rows, seconds)
