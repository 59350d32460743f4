"""Look at the ledger and at target tables from outside: what a run left, and when a job was over."""

import time
from dataclasses import dataclass
from typing import Any, BinaryIO

from psycopg2.extensions import cursor as Cursor  # a class in lower case

from libs.common.enums import END_STATES
from libs.common.errors import AdspError

_POLL_SECONDS = 0.005
_SETTINGS = (
    "shared_buffers",
    "max_wal_size",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "checkpoint_timeout",
    "maintenance_work_mem",
    "work_mem",
)


class BenchError(AdspError):
    """A run did not leave what it had to, so its time means nothing."""


@dataclass(frozen=True)
class Content:
    """What a table holds, as far as sums can tell it from another."""

    rows: int
    sums: str


class Ledger:
    """Questions of a benchmark to the database; every statement commits at once."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def execute(self, statement: str) -> None:
        """Run SQL."""
        self._cursor.execute(statement)

    def backend_pid(self) -> int:
        """Return the process of the server that answers here."""
        return self._number("SELECT pg_backend_pid()")

    def wait_over(self, job_id: str, seconds: float) -> float:
        """Return the `time.perf_counter` at which the job was seen in an end state."""
        deadline = time.perf_counter() + seconds
        while True:
            state = self._state(job_id)
            now = time.perf_counter()
            if state in END_STATES:
                return now
            if now > deadline:
                raise BenchError(f"job {job_id} is still {state} after {seconds:.0f} s")
            time.sleep(_POLL_SECONDS)

    def is_over(self, job_id: str) -> bool:
        """Return whether a job is in an end state."""
        return self._state(job_id) in END_STATES

    def unfinished(self, dataset: str) -> int:
        """Return how many jobs of a dataset are not over."""
        return self._number(
            "SELECT count(*) FROM adsp.jobs WHERE dataset = %s AND NOT state = ANY (%s)",
            (dataset, [state.value for state in END_STATES]),
        )

    def states(self, dataset: str) -> dict[str, int]:
        """Return how many jobs of a dataset are in which state."""
        self._cursor.execute(
            "SELECT state, count(*) FROM adsp.jobs WHERE dataset = %s GROUP BY state", (dataset,)
        )
        return dict(self._cursor.fetchall())

    def failed_rows(self, job_id: str) -> int:
        """Return how many failed rows a job has left."""
        return self._number("SELECT count(*) FROM adsp.failed_rows WHERE job_id = %s", (job_id,))

    def content(self, table: str, sums: str) -> Content:
        """Return what a table holds, called `loaded` in the expression of its sums."""
        self._cursor.execute(f"SELECT count(*), {sums} FROM {table} AS loaded")  # noqa: S608  # our own
        return Content(*self._one())

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        return self._number(f"SELECT count(*) FROM {table}")  # noqa: S608  # our own name

    def forget_failed_rows(self) -> None:
        """Remove the failed rows of earlier runs, so that each run finds the same tables."""
        self.execute("TRUNCATE adsp.failed_rows")

    def copy_csv(self, table: str, file: BinaryIO) -> None:
        """Copy a CSV file with a header into a table."""
        self._cursor.copy_expert(f"COPY {table} FROM STDIN WITH (FORMAT csv, HEADER true)", file)

    def copy_out(self, query: str, file: BinaryIO) -> None:
        """Write the rows of a query as a CSV file with a header."""
        self._cursor.copy_expert(f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER true)", file)

    def settings(self) -> dict[str, str]:
        """Return the server's version and the settings that decide how fast it writes."""
        shown = {}
        for name in ("server_version", *_SETTINGS):
            self._cursor.execute(f"SHOW {name}")
            shown[name] = str(self._one()[0])
        return shown

    def _state(self, job_id: str) -> str:
        self._cursor.execute("SELECT state FROM adsp.jobs WHERE id = %s", (job_id,))
        return str(self._one()[0])

    def _number(self, statement: str, values: tuple[Any, ...] = ()) -> int:
        self._cursor.execute(statement, values)
        return int(self._one()[0])

    def _one(self) -> tuple[Any, ...]:
        row = self._cursor.fetchone()
        if row is None:
            raise BenchError("a query that always has a row has none")
        return row
