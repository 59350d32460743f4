"""What is asked of a ledger all the time costs no more with millions of ended jobs, also before an ANALYZE.

``./dev bench --ledger`` runs it with two million, their chunks and failed rows, and prints what each statement took.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import chain
from typing import Any

import pytest
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Connection, Engine, event

from libs.common.enums import JobState
from libs.common.ledger.unread_content import is_unread
from libs.common.sql_files import read_statement
from services.worker.ledger_metrics.queries import make_reader, read_ledger
from services.worker.planning.job_plan import plan
from services.worker.sweeping import sweep
from services.worker.tests.conftest import Bench

IS_MEASURED = "ADSP_HISTORY_JOBS" in os.environ
JOBS = int(os.environ.get("ADSP_HISTORY_JOBS", "20000"))
CHUNKS = int(os.environ.get("ADSP_HISTORY_CHUNKS", "1"))
"""Of each job."""
FAILED_ROWS = int(os.environ.get("ADSP_HISTORY_FAILED_ROWS", "1"))
"""Of each job in twenty."""
MOST_MILLISECONDS = 200
"""For a sweep, and for a scrape."""
MODES: dict[str, dict[str, Any]] = {
    "append": {"mode": "append"},
    "upsert": {"mode": "upsert", "key": ["sku"]},
    "replace": {"mode": "replace"},
    "slice": {"mode": "replace", "scope": {"updated_at": "data_date"}},
}
DATASETS = 40
TABLES = ("adsp.jobs", "adsp.chunks", "adsp.events")
MOST_PAGES = JOBS // 20
"""Of any statement: a third of what to read all jobs would take. In the history one job in 270 has open failed rows."""


@dataclass(frozen=True)
class Cost:
    """What a statement took: pages of the ledger that it touched, and milliseconds with its planning."""

    name: str
    pages: int
    milliseconds: float


@contextmanager
def without_autovacuum(bench: Bench) -> Iterator[Connection]:
    """Open the ledger as its owner; Postgres counts its rows only when it is asked to."""
    with bench.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as owner:
        for table in TABLES:
            owner.exec_driver_sql(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        yield owner
        for table in TABLES:
            owner.exec_driver_sql(f"ALTER TABLE {table} RESET (autovacuum_enabled)")


def fill_ledger(bench: Bench, owner: Connection, size: int) -> None:
    """Add ended jobs of all kinds, evenly over the datasets, one every five minutes up to now, of `size` bytes each."""
    owner.exec_driver_sql("ALTER TABLE adsp.jobs DISABLE TRIGGER count_inserted_job")
    owner.exec_driver_sql(
        read_statement(__package__, "long_history"),
        {
            "jobs": JOBS,
            "datasets": DATASETS,
            "chunks": CHUNKS,
            "failed_rows": FAILED_ROWS,
            "bytes": size,
        },
    )
    owner.exec_driver_sql("ALTER TABLE adsp.jobs ENABLE TRIGGER count_inserted_job")


def costs_of(engine: Engine, work: Callable[[], object]) -> list[Cost]:
    """Return what each statement of this work takes: before it is run, Postgres explains it and undoes that."""
    costs: list[Cost] = []

    def note(connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        begins = ("SELECT", "UPDATE", "INSERT", "DELETE", "WITH", "--")
        if statement.lstrip().startswith(begins) and "adsp." in statement:
            with connection.connection.cursor() as cursor:
                costs.append(explain(cursor, statement, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return costs


def explain(cursor: Cursor, statement: str, values: Any) -> Cost:
    """Run a statement, undo it, and return what it took."""
    cursor.execute("SAVEPOINT explained")
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)\n{statement}", values)
    [[found]] = cursor.fetchall()
    cursor.execute("ROLLBACK TO SAVEPOINT explained; RELEASE SAVEPOINT explained")
    top = found[0]["Plan"]
    name = " ".join(line for line in statement.splitlines() if not line.startswith("--"))
    return Cost(
        " ".join(name.split())[:100],
        top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        found[0]["Planning Time"] + found[0]["Execution Time"],
    )


def measure(bench: Bench, day: int) -> dict[str, list[Cost]]:
    """Return what the statements of a sweep, of a plan in each mode, and of a scrape take.

    The source has as many bytes as those of all jobs in the history, unless it need not be read (decision 73).
    """
    engine, reader = bench.worker.engine, make_reader(bench.worker.settings)
    costs = {"sweep": costs_of(engine, partial(sweep, bench.worker))}
    for number, kind in enumerate(MODES):
        job = bench.make_job(
            f"{kind}-{number}", data_date=date(9999, 1, day)
        )  # after all days of the history
        costs[f"plan, {kind}"] = costs_of(engine, partial(plan, bench.worker, job.id))
        assert bench.job(job).state is JobState.RUNNING
        with bench.owner.begin() as owner:
            owner.exec_driver_sql("DELETE FROM adsp.jobs WHERE finished_at IS NULL")
    bench.write_rows(6, "longer.csv")
    bench.set(read_first_bytes=0)
    job = bench.make_job("append-0", data_date=date(9999, 1, day), source="longer.csv")
    costs["plan, unread"] = costs_of(bench.worker.engine, partial(plan, bench.worker, job.id))
    assert is_unread(bench.job(job).fingerprint)
    bench.set(read_first_bytes=1 << 20)
    with bench.owner.begin() as owner:
        owner.exec_driver_sql("DELETE FROM adsp.jobs WHERE finished_at IS NULL")
    costs["scrape"] = costs_of(reader, partial(read_ledger, reader))
    assert not read_ledger(reader).failures
    return costs


def describe(title: str, costs: Mapping[str, list[Cost]]) -> str:
    """Return a table: what each kind of work took, and its slowest statement."""
    lines = [f"\n{JOBS:,} ended jobs, {title}: milliseconds, pages; the slowest statement"]
    for name, each in costs.items():
        slowest = max(each, key=lambda cost: cost.milliseconds)
        lines.append(
            f"{name:14} {sum(cost.milliseconds for cost in each):8.1f} {sum(cost.pages for cost in each):7}"
            f"; {slowest.milliseconds:8.2f} {slowest.pages:7} {slowest.name}"
        )
    return "\n".join(lines)


def test_jobs_that_have_ended_cost_nothing(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    size = bench.write_rows(5).stat().st_size
    for number in range(DATASETS):
        kind = list(MODES)[number % len(MODES)]
        bench.put_dataset(f"{kind}-{number}", **MODES[kind])
    with without_autovacuum(bench) as owner:
        empty = measure(bench, day=3)
        fill_ledger(bench, owner, size)
        uncounted = measure(bench, day=1)
        owner.exec_driver_sql(f"VACUUM ANALYZE {', '.join(TABLES)}, adsp.failed_rows")
        counted = measure(bench, day=2)

    with capsys.disabled():
        sys.stdout.write(describe("before they were filled in", empty))
        sys.stdout.write(describe("as they were filled in", uncounted))
        sys.stdout.write(describe("counted by ANALYZE", counted) + "\n")
    all_costs = chain.from_iterable([*uncounted.values(), *counted.values()])
    assert [cost for cost in all_costs if cost.pages > MOST_PAGES] == []
    assert not IS_MEASURED or find_slow(empty, counted) == []


def find_slow(empty: Mapping[str, list[Cost]], counted: Mapping[str, list[Cost]]) -> list[str]:
    """Name what takes too long: milliseconds, or for a plan in proportion to that in an empty ledger."""
    took, before = (
        {name: sum(cost.milliseconds for cost in each) for name, each in costs.items()}
        for costs in (counted, empty)
    )
    return [
        f"{name}: {took[name]:.1f} ms, {before[name]:.1f} ms in an empty ledger"
        for name in took
        if took[name] > (1.2 * before[name] if name.startswith("plan") else MOST_MILLISECONDS)
    ]
