"""Read what the ledger says about a chunk.

A load that goes on for hours locks no table of the ledger meanwhile: what it reads there it reads under a savepoint
that is undone, which gives the locks back, and it writes just before its commit (`chunk_ends.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import RealDictCursor

from libs.common.csv.header import Header
from libs.common.csv.stored_header import restore_header
from libs.common.datasets.definition import DatasetDefinition
from libs.common.ledger.fences import fence_of
from libs.common.sql_files import read_statement

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
