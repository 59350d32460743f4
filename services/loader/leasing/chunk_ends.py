"""Write into the ledger how a chunk ends, or that it is begun again; every statement names the lease's holder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from libs.common.datasets.job_warnings import JobWarning
from libs.common.enums import ChunkState, ErrorCode
from libs.common.errors import cut_message
from libs.common.sql_files import read_statement
from services.loader.changes.row_changes import RowChanges
from services.loader.leasing.chunks import ChunkKey
from services.loader.path_taken import PathTaken


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of records; those read are the sum of the others."""

    rows_loaded: int = 0
    rows_rejected: int = 0
    rows_superseded: int = 0

    @property
    def rows_read(self) -> int:
        """Return how many records were read."""
        return self.rows_loaded + self.rows_rejected + self.rows_superseded


@dataclass(frozen=True, slots=True)
class ChunkEnd:
    """How a chunk ended; `digest` is that of content which nobody had read before.

    `by_file` is what became of the records of each of several files, by number; `rejected_by_code` counts failed rows.
    """

    state: ChunkState
    rows_loaded: int = 0
    rows_rejected: int = 0
    rows_superseded: int = 0
    rejected_by_code: Mapping[ErrorCode, int] = field(default_factory=dict)
    bytes_done: int = 0
    error_code: str | None = None
    error_message: str | None = None
    by_file: Mapping[int, RowCounts] = field(default_factory=dict)
    warnings: Sequence[JobWarning] = ()
    path: PathTaken | None = None
    changes: RowChanges | None = None
    digest: str | None = None

    @property
    def parameters(self) -> dict[str, object]:
        """Return it as parameters of a statement; the records read are the sum of their ends."""
        return {
            "state": self.state.value,
            **_with_read(self.counts),
            "rejected_by_code": Json(dict(self.rejected_by_code)),
            "bytes_done": self.bytes_done,
            "error_code": self.error_code,
            "error_message": self.error_message,
            "warnings": Json([warning.as_document() for warning in self.warnings]),
            "digest": self.digest,
            **self.explanation,
            **self.written,
        }

    @property
    def written(self) -> dict[str, int | None]:
        """Return what was written into the table, for the ledger and log lines; None where that is not known."""
        names = ("inserted", "updated", "deleted", "unchanged")
        return {f"rows_{name}": getattr(self.changes, name, None) for name in names}

    @property
    def explanation(self) -> dict[str, str | None]:
        """Return the path that the load took and why, for the ledger and log lines."""
        taken = self.path
        return {
            "load_path": taken.path.value if taken else None,
            "load_path_reason": taken.reason if taken else None,
        }

    @property
    def counts(self) -> dict[str, int]:
        """Return what became of the records, for log lines."""
        return {
            "rows_loaded": self.rows_loaded,
            "rows_rejected": self.rows_rejected,
            "rows_superseded": self.rows_superseded,
        }


def _with_read(counts: Mapping[str, int]) -> dict[str, object]:
    """Return what became of records with the number of those read, which is the sum."""
    return {**counts, "rows_read": sum(counts.values())}


class Requeue(NamedTuple):
    """Why and when a chunk is to be begun again; without `wait_seconds`, when somebody else says so."""

    wait_seconds: float | None = None
    problem: str | None = None
    is_for_lock: bool = False


def close_chunk(cursor: Cursor, key: ChunkKey, end: ChunkEnd) -> bool:
    """Record the end within the cursor's transaction; return False when the chunk has ended before."""
    if end.digest is not None and not _note_content(cursor, key, end.digest):
        return False
    cursor.execute(read_statement(__package__, "close_chunk"), {**key.parameters, **end.parameters})
    is_closed = cursor.rowcount == 1
    if end.by_file:
        _count_files(cursor, key, end.by_file)
    return is_closed


def _note_content(cursor: Cursor, key: ChunkKey, digest: str) -> bool:
    """Record what nobody knew of the job; return False when somebody else has read it meanwhile, and something else."""
    cursor.execute(
        read_statement(__package__, "note_content"), {**key.parameters, "digest": digest}
    )
    return cursor.rowcount == 1


def _count_files(cursor: Cursor, key: ChunkKey, by_file: Mapping[int, RowCounts]) -> None:
    """Record what became of the records of each file."""
    counts = by_file.values()
    parameters = {
        "numbers": list(by_file),
        "read": [each.rows_read for each in counts],
        "loaded": [each.rows_loaded for each in counts],
        "rejected": [each.rows_rejected for each in counts],
        "superseded": [each.rows_superseded for each in counts],
    }
    cursor.execute(read_statement(__package__, "count_files"), {**key.parameters, **parameters})


def requeue_chunk(cursor: Cursor, key: ChunkKey, again: Requeue) -> bool:
    """Give the chunk back; return False when it is not this loader's any more."""
    parameters = {
        **key.parameters,
        "wait_seconds": again.wait_seconds,
        "problem": cut_message(again.problem) if again.problem else None,
        "lock_waits": int(again.is_for_lock),
    }
    cursor.execute(read_statement(__package__, "requeue_chunk"), parameters)
    return cursor.rowcount == 1


def is_done(connection: Connection, key: ChunkKey) -> bool:
    """Return whether the chunk is on record as done; waits for a transaction that still holds it."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT state = 'done' FROM adsp.chunks"
            " WHERE job_id = %(job_id)s AND number = %(number)s FOR NO KEY UPDATE",
            key.parameters,
        )
        row = cursor.fetchone()
    return row is not None and bool(row[0])
