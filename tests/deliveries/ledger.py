"""Ask the ledger and the target table what a play has come to, as a superuser who sees everything."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

import psycopg2

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import END_STATES, JobState
from libs.devstack.testing.databases import ScratchDatabase
from tests.faults.harness.contents import Row

DATASET = "deliveries"


class Ledger:
    """The ledger of a play, and its target table."""

    def __init__(self, connection: Any, table: str) -> None:
        self._connection = connection
        self.table = table

    def query(self, statement: str, *parameters: object) -> list[Any]:
        """Run a statement and return its rows, if it has any."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def put_dataset(self, definition: dict[str, Any]) -> None:
        """Make or change the dataset."""
        document = DatasetDefinition.model_validate(definition).model_dump_json()
        self.query(
            "INSERT INTO adsp.datasets (name, definition) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
            DATASET,
            document,
        )

    def rows(self) -> Counter[Row]:
        """Return the target table's rows."""
        return Counter(self.query(f"SELECT sku, name, price::text, quantity FROM {self.table}"))

    def live(self) -> list[tuple[Any, ...]]:
        """Return the jobs that are not over."""
        rows = self.query("SELECT id, state, error_code FROM adsp.jobs")
        return [row for row in rows if row[1] not in END_STATES]

    def end_of(self, job_id: UUID) -> tuple[JobState, str | None, tuple[int, ...]]:
        """Return how a job ended: state, error, and its records loaded, rejected and superseded."""
        [(state, error, *counts)] = self.query(
            "SELECT state, error_message, rows_loaded, rows_rejected, rows_superseded"
            " FROM adsp.jobs WHERE id = %s",
            str(job_id),
        )
        return JobState(state), error, tuple(counts)

    def find_uncounted_files(self, job_id: UUID) -> Iterator[str]:
        """Yield what is wrong with the counts of a job's files: those of several add up to the job's own."""
        [(is_right,)] = self.query(
            "SELECT count(f) = 0 OR (sum(f.rows_loaded), sum(f.rows_rejected), sum(f.rows_superseded))"
            " = (j.rows_loaded, j.rows_rejected, j.rows_superseded)"
            " FROM adsp.jobs AS j LEFT JOIN adsp.job_files AS f ON f.job_id = j.id WHERE j.id = %s GROUP BY j.id",
            str(job_id),
        )
        if not is_right:
            yield f"the counts of the files of job {job_id} do not add up"

    def is_planned(self, job_id: UUID) -> bool:
        """Return whether a plan of the job has nothing to do any more."""
        return self._is_job(
            job_id,
            "finished_at IS NOT NULL OR EXISTS (SELECT FROM adsp.chunks WHERE job_id = jobs.id)",
        )

    def is_claimed(self, job_id: UUID) -> bool:
        """Return whether the job has claimed its content, or is over."""
        return self._is_job(
            job_id, "finished_at IS NOT NULL OR (state = 'running' AND fingerprint IS NOT NULL)"
        )

    def let_time_pass(self) -> None:
        """Let every wait and lease be over."""
        self.query(
            "UPDATE adsp.jobs SET next_attempt_at = now() WHERE next_attempt_at > now();"
            "UPDATE adsp.chunks SET next_attempt_at = now() WHERE next_attempt_at > now();"
            "UPDATE adsp.chunk_leases SET expires_at = now() - interval '1 s'"
        )

    def are_backends_gone(self) -> bool:
        """Return whether no backend of worker or loader is left."""
        return not self.query(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name IN ('adsp-worker', 'adsp-loader')"
        )

    def _is_job(self, job_id: UUID, condition: str) -> bool:
        statement = f"SELECT 1 FROM adsp.jobs WHERE id = %s AND ({condition})"
        return bool(self.query(statement, str(job_id)))


@contextmanager
def open_ledger(database: ScratchDatabase, table: str, *, is_keyed: bool) -> Iterator[Ledger]:
    """Empty the ledger and make the target table; remove that in the end."""
    database.empty()
    with closing(psycopg2.connect(database.superuser_dsn)) as connection:
        connection.autocommit = True
        ledger = Ledger(connection, table)
        indexes = "INCLUDING" if is_keyed else "EXCLUDING"
        ledger.query(
            f"CREATE TABLE {table} (LIKE public.items INCLUDING ALL {indexes} INDEXES);"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO adsp_loader"
        )
        try:
            yield ledger
        finally:
            ledger.query(f"DROP TABLE {table}")
