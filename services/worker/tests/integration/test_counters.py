"""The counters say what all jobs that ever ended add up to, whatever happened to them since."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from libs.common.enums import ErrorCode, Trigger
from libs.common.sql_files import read_statement
from libs.devstack.testing.databases import ScratchDatabase
from services.worker.cleanup import settle_failed_rows
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.tests.conftest import Bench

NAMES = ("rows_read", "rows_loaded", "rows_rejected", "rows_superseded")
DATASETS: dict[str, dict[str, Any]] = {
    "whole": {},
    "parts": {"atomic": False},
    "state": {"mode": "replace"},
}
CODES = [ErrorCode.CHECK, ErrorCode.UNIQUE, ErrorCode.NOT_NULL]


class History:
    """Makes jobs and ends them at random, and adds up what it has seen, row by row."""

    def __init__(self, bench: Bench, cursor: Cursor, rng: Random) -> None:
        """Begin with datasets of each kind."""
        self._bench, self._cursor, self._rng = bench, cursor, rng
        self.jobs: Counter[tuple[str, ...]] = Counter()
        self.rows: Counter[tuple[str, ...]] = Counter()
        self.failed: Counter[tuple[str, ...]] = Counter()
        self._live: list[Any] = []
        self._counted: set[str] = set()
        self._ends = 0
        bench.set(chunk_bytes=50)
        for name, changes in DATASETS.items():
            bench.put_dataset(name, source=f"{name}.csv", **changes)

    def go_on(self) -> None:
        """Do one thing that may happen."""
        what: Callable[[], None] = self._rng.choice(
            [
                self._begin,
                self._begin,
                self._load,
                self._load,
                self._load,
                self._cancel,
                self._delete,
            ]
        )
        what()
        self._note_ends()

    def _begin(self) -> None:
        """Submit a file, one of few contents, and plan it."""
        name = self._rng.choice([*DATASETS, "parts", "parts", "parts"])
        self._bench.write_rows(self._rng.randint(20, 22), f"{name}.csv")
        job = self._bench.make_job(name, **self._replay_of_one(name))
        plan(self._bench.worker, job.id)
        self._live.append(job)

    def _replay_of_one(self, dataset: str) -> dict[str, object]:
        """Now and then, say that the job is a replay of an ended one."""
        self._cursor.execute(
            "SELECT id FROM adsp.jobs WHERE dataset = %s AND state = 'completed_with_rejects'",
            [dataset],
        )
        ended = [UUID(job_id) for (job_id,) in self._cursor.fetchall()]
        if not ended or self._rng.random() < 0.7:
            return {}
        return {"trigger": Trigger.REPLAY, "replay_of": self._rng.choice(ended)}

    def _load(self) -> None:
        """End all chunks of a job that wait, well or not, as loaders do; then the job."""
        if not self._live:
            return
        job = self._live.pop(self._rng.randrange(len(self._live)))
        if plan(self._bench.worker, job.id) == "queued":  # it still waits for its turn
            self._live.append(job)
            return
        self._cursor.execute(
            "SELECT number FROM adsp.chunks WHERE job_id = %s AND state = 'queued'", [str(job.id)]
        )
        sound = self._rng.choice([0.6, 1.0])
        for (number,) in self._cursor.fetchall():
            self._end_chunk(job, number, is_done=self._rng.random() < sound)
        finish(self._bench.worker, job.id)

    def _end_chunk(self, job: Any, number: int, *, is_done: bool) -> None:
        rejected = self._rng.choice([0, 0, 1, 3])
        loaded = self._rng.randint(0, 5) if is_done else 0
        superseded = self._rng.randint(0, 2) if is_done else 0
        error = (None, None) if is_done else ("load-fault", "disk full")
        codes = [code.value for code in self._rng.choices(CODES, k=rejected)]
        is_counted = self._rng.random() < 0.7  # loaders of a version before do not count
        self._cursor.execute(
            "UPDATE adsp.chunks SET state = %s, finished_at = now(), rows_read = %s, rows_loaded = %s,"
            " rows_rejected = %s, rows_superseded = %s, rejected_by_code = %s, error_code = %s, error_message = %s"
            " WHERE job_id = %s AND number = %s",
            [
                "done" if is_done else "failed",
                loaded + rejected + superseded,
                loaded,
                rejected,
                superseded,
                Json(Counter(codes)) if is_counted else None,
                *error,
                str(job.id),
                number,
            ],
        )
        dataset = self._dataset_of(job)
        self.rows.update(
            {
                (dataset, "rows_read"): loaded + rejected + superseded,
                (dataset, "rows_loaded"): loaded,
                (dataset, "rows_rejected"): rejected,
                (dataset, "rows_superseded"): superseded,
            }
        )
        for code in codes:
            self._add_failed_row(job, number, code)

    def _add_failed_row(self, job: Any, number: int, code: str) -> None:
        self._ends += 1
        self._cursor.execute(
            "INSERT INTO adsp.failed_rows (job_id, chunk_number, line_number, byte_offset, raw,"
            " stage, error_code, message) VALUES (%s, %s, 1, %s, '', 'constraint', %s, 'no')",
            [str(job.id), number, self._ends, code],
        )
        self.failed[self._dataset_of(job), code] += 1

    def _cancel(self) -> None:
        """Cancel a job; what is done of it counts."""
        if self._live:
            job = self._rng.choice(self._live)
            self._cursor.execute(
                "UPDATE adsp.jobs SET cancel_requested_at = now() WHERE id = %s", [str(job.id)]
            )
            finish(self._bench.worker, job.id)

    def _delete(self) -> None:
        """Delete an ended job that no other one names, as retention would."""
        self._cursor.execute(
            "SELECT j.id FROM adsp.jobs AS j WHERE j.finished_at IS NOT NULL AND NOT EXISTS (SELECT"
            " FROM adsp.jobs AS o WHERE j.id IN (o.duplicate_of, o.outdated_by, o.replay_of))"
        )
        ended = [job_id for (job_id,) in self._cursor.fetchall()]
        if ended:
            self._cursor.execute("DELETE FROM adsp.jobs WHERE id = %s", [self._rng.choice(ended)])

    def _note_ends(self) -> None:
        """Count each job that has ended since, once."""
        self._cursor.execute(
            "SELECT id, dataset, trigger, state FROM adsp.jobs WHERE finished_at IS NOT NULL"
        )
        for job_id, *labels in self._cursor.fetchall():
            if job_id not in self._counted:
                self._counted.add(job_id)
                self.jobs[tuple(labels)] += 1
        self._live = [job for job in self._live if str(job.id) not in self._counted]

    def _dataset_of(self, job: Any) -> str:
        return str(job.dataset)


@pytest.fixture
def cursor(bench: Bench, clean_database: ScratchDatabase) -> Any:
    """Give a cursor of the owner, each of whose statements is committed; `bench` has cleaned up before."""
    with closing(psycopg2.connect(clean_database.dsn_for("owner"))) as connection:
        connection.autocommit = True
        with connection.cursor() as made:
            yield made


def read(cursor: Cursor) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """Return what the counters say: jobs, rows and failed rows."""
    jobs: Counter[Any] = Counter()
    rows: Counter[Any] = Counter()
    cursor.execute(
        f"SELECT dataset, trigger, state, jobs, {', '.join(NAMES)} FROM adsp.job_counters"
    )
    for dataset, trigger, state, count, *sums in cursor.fetchall():
        jobs[dataset, trigger, state] = count
        rows.update({(dataset, name): int(value) for name, value in zip(NAMES, sums, strict=True)})
    cursor.execute("SELECT dataset, error_code, failed_rows FROM adsp.failed_row_counters")
    return jobs, rows, Counter({(dataset, code): n for dataset, code, n in cursor.fetchall()})


def read_open(cursor: Cursor) -> list[Any]:
    """Return what the ledger says about open failed rows; those that are settled must not be among them."""
    cursor.execute(read_statement("services.worker.ledger_metrics", "open_failed_rows"))
    return sorted(cursor.fetchall())


@pytest.mark.parametrize("seed", range(6))
def test_counters_are_what_every_ended_job_adds_up_to(
    bench: Bench, cursor: Cursor, seed: int
) -> None:
    """Chunks that a job took over are counted once, deleted jobs stay counted, and nothing ever goes down.

    To settle the failed rows that are not open any more changes nothing of what is reported.
    """
    history = History(bench, cursor, Random(seed))
    before = read(cursor)
    for _ in range(40):
        history.go_on()
        now = read(cursor)
        assert all(not was - new for was, new in zip(before, now, strict=True))
        before = now

        still_open = read_open(cursor)
        settle_failed_rows(bench.worker)
        assert read_open(cursor) == still_open

    jobs, rows, failed = before
    assert jobs == history.jobs
    assert +rows == +history.rows
    assert +failed == +history.failed
    assert len({state for *_, state in jobs}) > 1
