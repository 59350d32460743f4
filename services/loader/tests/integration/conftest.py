"""Make jobs with one chunk and load them: no broker, no worker, the real Postgres."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection
from psycopg2.extras import Json

from libs.common.csv.chunk_boundaries import find_boundaries
from libs.common.csv.footer import without_footer
from libs.common.csv.framing import MAX_RECORD_BYTES
from libs.common.csv.header import read_header
from libs.common.csv.stored_header import describe_header
from libs.common.csv.text import Text
from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import BadInput
from libs.common.ids import uuid7
from libs.common.ledger.unread_content import UNREAD, fingerprint_of_unread
from libs.common.sources.magic_bytes import detect
from libs.common.sources.opening import open_source
from libs.common.sources.regular_files import identity
from libs.common.sources.stream import SourceLimits
from libs.devstack.testing.databases import ScratchDatabase
from services.loader.chunk_loader import ChunkLoader, Outcome
from services.loader.leasing.connection_cache import CachedConnection
from services.loader.main import compile_everything
from services.loader.settings import LoaderSettings
from services.loader.tests.compiled import compiled_signatures

_UNREAD_EACH = 3


@pytest.fixture(scope="module")
def compiled_before() -> Iterator[None]:
    """Compile what an image brings, and see that the tests of a module need nothing else."""
    compile_everything()
    before = compiled_signatures()
    assert all(before.values()), before
    yield
    assert compiled_signatures() == before


@dataclass
class LoadBench:
    """A database, a loader on it, and what the loader announced."""

    database: ScratchDatabase
    owner: Connection
    folder: Path
    announced: list[UUID] = field(default_factory=list)
    jobs: int = 0

    def settings(self, **changes: Any) -> LoaderSettings:
        """Return the settings of a loader of this database."""
        defaults = {
            "database_url": self.database.url_for("loader"),
            "broker_url": "amqp://nowhere",
            "redis_url": "redis://nowhere",
            "heartbeat_seconds": 0.2,
        }
        return LoaderSettings(**{**defaults, **changes})

    def loader(self, **changes: Any) -> ChunkLoader:
        """Make a loader."""
        return ChunkLoader(
            self.settings(**changes), lambda job_id, _: self.announced.append(job_id)
        )

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser and return its rows, if it has any."""
        with self.owner.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def cached(self, connection: Connection) -> CachedConnection:
        """Return a connection with what its backend is."""
        pid = connection.info.backend_pid
        started = "SELECT backend_start FROM pg_stat_activity WHERE pid = %s"
        [(start,)] = self.execute(started, pid)
        return CachedConnection(connection, pid, start)

    def add_job(
        self,
        data: bytes,
        definition: DatasetDefinition,
        chunks: list[tuple[int, int | None, int]] | None = None,
        *,
        is_ordered: bool = False,
        is_unread: bool | None = None,
    ) -> UUID:
        """Put a running job on record, its chunks as (byte_start, byte_end, first_line).

        With `is_ordered` they are loaded in their order. With `is_unread` its plan has read the header alone;
        where that is not said it is so of each third job of one chunk.
        """
        job_id = uuid7()
        path = self.folder / f"{job_id}.csv"
        path.write_bytes(data)
        seen = identity(path)
        document = definition.model_dump_json()
        name = f"dataset-{job_id.hex[-12:]}"
        self.execute("INSERT INTO adsp.datasets (name, definition) VALUES (%s, %s)", name, document)
        self.execute(
            "INSERT INTO adsp.jobs (id, dataset, definition, definition_version, data_date, source, trigger, state,"
            " source_path, source_mtime_ns, bytes_total, chunks_at_once, header, header_end)"
            " VALUES (%s, %s, %s, 1, '2026-01-02', 's', 'api', 'running', %s, %s, %s, %s, %s, %s)",
            str(job_id),
            name,
            document,
            str(path),
            seen.mtime_ns,
            seen.size,
            1 if is_ordered else None,
            *self.header_of(path, definition),
        )
        starts = [start for start, _, _ in chunks or [(0, None, 1)]]
        # A plan leaves a compressed file whole; some tests cut it all the same.
        is_plain = len(starts) == 1 or detect(data) == "none"
        parts = [
            data[: starts[0]] + data[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)
        ]
        digests = [hashlib.sha256(part).hexdigest() if is_plain else None for part in parts]
        if is_unread is None:
            is_unread = chunks is None and self.jobs % _UNREAD_EACH == 0
        if is_unread:
            digests = [UNREAD]
            self.execute(
                "UPDATE adsp.jobs SET fingerprint = %s WHERE id = %s",
                fingerprint_of_unread(job_id),
                str(job_id),
            )
        for number, (start, end, line) in enumerate(chunks or [(0, None, 1)]):
            self.execute(
                "INSERT INTO adsp.chunks (job_id, number, byte_start, byte_end, first_line, digest)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                str(job_id),
                number,
                start,
                end,
                line,
                digests[number],
            )
        return job_id

    def header_of(self, path: Path, definition: DatasetDefinition) -> tuple[list[str], Any]:
        """Return the columns `header` and `header_end` of a plan; none where the loader is to read the header itself.

        That is so of jobs that a worker of the version before has planned, here of each other one.
        """
        self.jobs += 1
        form, limits = definition.format, SourceLimits.from_settings(self.settings())
        try:
            with open_source(path, form.compression, limits, member=form.member) as stream:
                header = read_header(stream, form)
        except BadInput:
            return [], None
        # A plan has put the byte order into the definition, these jobs have not.
        is_kept = self.jobs % 2 == 1 and header.encoding == form.encoding
        return list(header.cells), Json(describe_header(header, form)) if is_kept else None

    def plan(
        self,
        data: bytes,
        definition: DatasetDefinition,
        chunk_bytes: int,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> list[tuple[int, int | None, int]]:
        """Cut a file into chunks as the worker does: as (byte_start, byte_end, first_line)."""
        path = self.folder / "planned.csv"
        path.write_bytes(data)
        limits, dialect = SourceLimits.from_settings(self.settings()), definition.format
        with open_source(path, dialect.compression, limits) as stream:
            header = read_header(stream, dialect, max_record_bytes=max_record_bytes)
        with open_source(path, dialect.compression, limits) as stream:
            stream.skip(header.byte_end)
            text = Text(stream, header.encoding, header.byte_end)
            starts = find_boundaries(
                without_footer(text, dialect, header, max_record_bytes) or text,
                dialect,
                chunk_bytes,
                first_line=header.next_line,
                max_record_bytes=max_record_bytes,
                cr_ends_records=header.cr_ends_records,
            )
        ends = [*(start.byte_offset for start in starts[1:]), None]
        return [(s.byte_offset, end, s.line_number) for s, end in zip(starts, ends, strict=True)]

    def load(self, data: bytes, definition: DatasetDefinition, **changes: Any) -> UUID:
        """Make a job of one chunk and load it."""
        job_id = self.add_job(data, definition)
        with closing(self.loader(**changes)) as loader:
            assert loader.load_chunk(job_id, 0) in {Outcome.LOADED, Outcome.FAILED}
        self.check_counts_by_code(job_id)
        return job_id

    def check_counts_by_code(self, job_id: UUID) -> None:
        """Assert that the counts of the job's chunks by error code are those of its failed rows."""
        differences = self.execute(
            "SELECT c.number, c.rejected_by_code, kept.by_code"
            " FROM adsp.chunks AS c CROSS JOIN LATERAL ("
            "  SELECT coalesce(jsonb_object_agg(error_code, rows), '{}') AS by_code FROM ("
            "   SELECT f.error_code, count(*) AS rows FROM adsp.failed_rows AS f"
            "   WHERE f.job_id = c.job_id AND f.chunk_number = c.number GROUP BY f.error_code"
            "  ) AS code) AS kept"
            " WHERE c.job_id = %s AND c.finished_at IS NOT NULL"
            " AND c.rejected_by_code IS DISTINCT FROM kept.by_code",
            str(job_id),
        )
        assert not differences

    def chunk(self, job_id: UUID, number: int = 0) -> dict[str, Any]:
        """Return a chunk's row."""
        [(row,)] = self.execute(
            "SELECT to_jsonb(c) FROM adsp.chunks AS c WHERE job_id = %s AND number = %s",
            str(job_id),
            number,
        )
        return dict(row)

    def failed_rows(self, job_id: UUID) -> list[tuple[Any, ...]]:
        """Return (line, offset, raw, error code, column, SQLSTATE, message) in the order they were written."""
        rows = self.execute(
            "SELECT line_number, byte_offset, raw, error_code, column_name, sqlstate, message"
            " FROM adsp.failed_rows WHERE job_id = %s ORDER BY byte_offset",
            str(job_id),
        )
        return [(line, offset, bytes(raw), *rest) for line, offset, raw, *rest in rows]

    def renew_schema(self) -> None:
        """Make the schema of target tables anew, empty."""
        self.execute(
            "DROP SCHEMA IF EXISTS feed CASCADE; CREATE SCHEMA feed;"
            " GRANT USAGE ON SCHEMA feed TO adsp_loader;"
            " ALTER DEFAULT PRIVILEGES IN SCHEMA feed"
            " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO adsp_loader;"
            " ALTER DEFAULT PRIVILEGES IN SCHEMA feed GRANT USAGE ON SEQUENCES TO adsp_loader"
        )


@pytest.fixture(scope="module")
def shared_bench(
    database: ScratchDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoadBench]:
    """Return a bench for many loads: jobs of earlier tests stay in the ledger, tables do not."""
    with closing(psycopg2.connect(database.superuser_dsn)) as owner:
        owner.autocommit = True
        made = LoadBench(database, owner, tmp_path_factory.mktemp("sources"))
        yield made
        made.execute("DROP SCHEMA IF EXISTS feed CASCADE")


@pytest.fixture
def bench(shared_bench: LoadBench, clean_database: ScratchDatabase) -> LoadBench:
    """Return a bench on a clean database."""
    assert clean_database is shared_bench.database
    shared_bench.renew_schema()
    shared_bench.announced.clear()
    return shared_bench
