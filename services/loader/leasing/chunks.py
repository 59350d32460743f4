"""Read and write what the ledger says about a chunk; every statement names the lease's holder.

A load that goes on for hours locks no table of the ledger meanwhile: what it reads there it reads under a savepoint
that is undone, which gives the locks back, and it writes just before its commit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json, RealDictCursor

from libs.common.csv.header import Header
from libs.common.csv.stored_header import restore_header
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.job_warnings import JobWarning
from libs.common.enums import ChunkState, ErrorCode
from libs.common.errors import cut_message
from libs.common.ledger.fences import fence_of
from libs.common.sql_files import read_statement
from services.loader.changes.row_changes import RowChanges
from services.loader.load_paths import PathTaken

_Restore: TypeAlias = Callable[[Mapping[str, Any] | None], Header | None]
_TAKE_FENCE = "SELECT pg_catalog.pg_advisory_xact_lock(hashtextextended(%(fence)s, 0))"


@dataclass(frozen=True, slots=True)
class ChunkKey:
    """Which chunk, held by whom."""

    job_id: UUID
    number: int
    holder: str

    @property
    def parameters(self) -> dict[str, object]:
        """Return it as parameters of a statement."""
        return {
            "job_id": str(self.job_id),
            "number": self.number,
            "holder": self.holder,
            "fence": fence_of(self.job_id, self.number),
        }

    @property
    def fields(self) -> dict[str, object]:
        """Return it as fields of a log line."""
        return {"job_id": str(self.job_id), "number": self.number}


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of the delivery as the plan saw it: size in bytes as stored, modification time in ns.

    `digest` is the SHA-256 of what the chunk reads of it, hex, `UNREAD` where the plan has read the header alone, None
    where it does not matter; `learned` is what another plan has found. `header` may be None of older plans.
    """

    number: int
    path: str
    size: int
    mtime_ns: int
    digest: str | None
    header: Header | None = None
    learned: str | None = None


@dataclass(frozen=True, slots=True)
class ChunkWork:
    """What is to be done, under the definition of its job: a byte range of its file, or all of several files.

    `counts_files`: each file has counts of its own, also where only one of several is left to load.
    `dry_run`: it is judged, then undone.
    `has_lost_columns`: the header lacks columns of the last load, which is allowed.
    """

    job_id: UUID
    number: int
    byte_start: int
    byte_end: int | None
    first_line: int
    definition: DatasetDefinition
    files: tuple[PlannedFile, ...]
    counts_files: bool
    rows_before: int | None
    force: bool
    dry_run: bool
    data_date: date
    has_lost_columns: bool


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


def open_chunk(connection: Connection, key: ChunkKey) -> ChunkWork | None:
    """Take the chunk's fence for this transaction; return its work, or None when it is not this loader's to do."""
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(_TAKE_FENCE, key.parameters)
        row: dict[str, Any] | None = _look(cursor, "open_chunk", key)
        if row is None or not row["is_ours"]:
            return None
        definition = DatasetDefinition.model_validate(row["definition"])
        restore = partial(_restore, row["header"], definition.format.encoding)
        own = _read_own_file(row, restore)
        files = (own,) if own.path else _read_files(cursor, key, restore)
    return ChunkWork(
        job_id=key.job_id,
        number=key.number,
        byte_start=row["byte_start"],
        byte_end=row["byte_end"],
        first_line=row["first_line"],
        definition=definition,
        files=files,
        counts_files=not own.path,
        rows_before=row["rows_before"],
        force=row["force"],
        dry_run=row["dry_run"],
        data_date=row["data_date"],
        has_lost_columns=row["has_lost_columns"],
    )


def _read_own_file(row: Mapping[str, Any], restore: _Restore) -> PlannedFile:
    return PlannedFile(
        0,
        row["source_path"],
        row["bytes_total"],
        row["source_mtime_ns"],
        row["digest"],
        restore(row["header_end"]),
        row["learned"],
    )


def _read_files(
    cursor: RealDictCursor, key: ChunkKey, restore: _Restore
) -> tuple[PlannedFile, ...]:
    rows = _look_at_all(cursor, "chunk_files", key)
    return tuple(PlannedFile(header=restore(row.pop("header_end")), **row) for row in rows)


def _restore(
    cells: Sequence[str] | None, encoding: str, stored: Mapping[str, Any] | None
) -> Header | None:
    """Return the header that the plan has read, None where it has kept none."""
    if stored is None or cells is None:
        return None
    return restore_header(stored, cells, encoding)


def _look(cursor: Cursor, statement: str, key: ChunkKey) -> Any:
    """Read one row of the ledger within a transaction that goes on, and give the locks back."""
    return next(iter(_look_at_all(cursor, statement, key)), None)


def _look_at_all(cursor: Cursor, statement: str, key: ChunkKey) -> list[Any]:
    """Read rows in the same way."""
    look = "SAVEPOINT adsp_look;\n" + read_statement(__package__, statement)
    cursor.execute(look, key.parameters)
    rows = cursor.fetchall()
    cursor.execute("ROLLBACK TO SAVEPOINT adsp_look; RELEASE SAVEPOINT adsp_look")
    return rows


def close_chunk(cursor: Cursor, key: ChunkKey, end: ChunkEnd) -> bool:
    """Record the end within the cursor's transaction; return False when the chunk has ended before."""
    cursor.execute(read_statement(__package__, "close_chunk"), {**key.parameters, **end.parameters})
    is_closed = cursor.rowcount == 1
    if end.by_file:
        _count_files(cursor, key, end.by_file)
    return is_closed


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
