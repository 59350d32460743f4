"""Run a case once: as a job through the api, or with psql; each into a fresh table, then checked."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.devstack.binaries import client_program
from libs.devstack.waiting import wait_until
from tools.bench.cases import Case, Present
from tools.bench.cpu import CpuTime, cpu_of
from tools.bench.ledger import BenchError, Content, Ledger
from tools.bench.memory import Peak, peak_of
from tools.bench.system import BenchSystem

BASE_TABLE = "public.bench_base"
TARGET = "public.bench_target"
JOB_SECONDS = 1_800.0
_SETTLED_SECONDS = 1.5
_SCRIPTS = Path(__file__).parent
_ITEM_SUMS = "concat_ws(', ', sum(quantity), sum(price))"
_ANY_SUMS = "sum(hashtextextended(loaded::text, 0))::text"


@dataclass(frozen=True)
class Source:
    """A file of a case with what is known about it."""

    path: Path
    rows: int
    bad: int

    @property
    def size(self) -> int:
        """Return the file's size in bytes."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class Run:
    """One timed run, checked; psql has no peak."""

    seconds: float
    content: Content
    cpu: CpuTime
    peak: Peak


@contextmanager
def fresh_target(ledger: Ledger, case: Case, *, is_filled: bool) -> Iterator[str]:
    """Make the target table, empty or with the rows of the base, settle the server, and drop the table in the end."""
    ledger.forget_failed_rows()
    ledger.execute(f"DROP TABLE IF EXISTS {TARGET}")
    if case.shape:
        case.shape.make_types(ledger)
    ledger.execute(f"CREATE TABLE {TARGET} ({case.table})")
    ledger.execute(f"ALTER TABLE {TARGET} OWNER TO adsp_owner")
    ledger.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TARGET} TO adsp_loader")
    if is_filled:
        ledger.execute(f"INSERT INTO {TARGET} SELECT * FROM {BASE_TABLE}")  # noqa: S608  # our own names
        ledger.execute(f"VACUUM ANALYZE {TARGET}")
    ledger.execute("CHECKPOINT")
    try:
        yield TARGET
    finally:
        ledger.execute(f"DROP TABLE {TARGET}")


def run_job(system: BenchSystem, case: Case, source: Source, dataset: str) -> Run:
    """Load the file as a job; time it from its POST to its end state."""
    is_filled = case.present is not Present.NONE
    bad = source.bad + case.refused(source.rows)
    with (
        system.ledger() as ledger,
        system.client as client,
        fresh_target(ledger, case, is_filled=is_filled) as table,
    ):
        client.put_dataset(dataset, {"table": table, **case.definition})
        let_settle(source.path)
        pids = system.loader_pids()
        with peak_of(pids) as peak, cpu_of(ledger.backend_pid(), pids) as cpu:
            start = time.perf_counter()
            job = client.submit(dataset=dataset, source=source.path.name)
            end = ledger.wait_over(job.id, JOB_SECONDS)
        ended = client.job(job.id)
        counts = [ended.rows_read, ended.rows_loaded, ended.rows_rejected, ended.rows_superseded]
        if counts != [source.rows, source.rows - bad, bad, 0]:
            raise BenchError(f"{case.name}: {ended.state} {counts}, error {ended.error}")
        if ledger.failed_rows(job.id) != bad:
            raise BenchError(f"{case.name}: not every rejected row is a failed row")
        content = _checked(ledger, case, source, is_filled=is_filled)
        return Run(end - start, content, cpu, peak)


def let_settle(path: Path) -> None:
    """Wait until a plan takes the file for whole at once: that files arrive is no part of a job's time."""
    newest = path.stat().st_mtime
    wait_until(lambda: time.time() - newest > _SETTLED_SECONDS, 10)


def run_psql(system: BenchSystem, case: Case, source: Source) -> Run:
    r"""Load the file with psql's ``\copy``; time it from its start to its end."""
    with (
        system.ledger() as ledger,
        fresh_target(ledger, case, is_filled=case.fills_psql) as table,
    ):
        if case.script:
            script = (_SCRIPTS / case.script).read_text().format(table=table, file=source.path)
        else:
            options = "with (format csv, header true)"
            script = f"\\copy {table} ({case.header}) from '{source.path}' {options}\n"
        with cpu_of(ledger.backend_pid(), []) as cpu:
            start = time.perf_counter()
            done = psql(system, script)
            seconds = time.perf_counter() - start
        if done.returncode:
            raise BenchError(f"{case.name}: psql failed: {done.stderr.strip()}")
        content = _checked(ledger, case, source, is_filled=case.fills_psql)
        return Run(seconds, content, cpu, Peak())


def psql(system: BenchSystem, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script in the psql of the server's own package, as the owner."""
    return subprocess.run(
        [client_program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", system.dsn],
        input=script,
        capture_output=True,
        text=True,
        env={**os.environ, "PGOPTIONS": "-c timezone=UTC"},
        timeout=JOB_SECONDS,
        check=False,
    )


def _checked(ledger: Ledger, case: Case, source: Source, *, is_filled: bool) -> Content:
    """Return what the target holds if it is as many rows as the file brings, beside those of the base."""
    content = ledger.content(TARGET, _ANY_SUMS if case.shape else _ITEM_SUMS)
    expected = source.rows - source.bad
    if is_filled:  # the base holds as many rows as the file
        expected += case.more_than_file(source.rows)
    if content.rows != expected:
        raise BenchError(f"{case.name}: the table holds {content.rows} rows, not {expected}")
    return content
