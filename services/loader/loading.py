"""Stream one chunk into its target within the caller's transaction: the load itself, without ledger or queue.

    source ──records──► blocks ──narrowing──► Postgres
                           └── not well-formed ──► failed rows ◄── refused ──┘

Nothing is committed here. What it raises: `BadInput` when the source or the target cannot be loaded as it is or
too much of it is refused, `LeaseLost` or `LoadCancelled` when it has to stop, and psycopg2.Error or OSError for
faults of the system.
"""

from collections.abc import Iterator, Sequence

from psycopg2.extensions import connection as Connection

from libs.common.errors import BadInput
from libs.common.header import match_header
from libs.common.records import Record
from libs.common.states import ChunkState
from services.loader.judge import Judge
from services.loader.lease import Heartbeat
from services.loader.ledger import ChunkEnd, ChunkWork
from services.loader.narrowing import Narrowing
from services.loader.rejects import RejectSpool
from services.loader.session import Savepoint
from services.loader.settings import LoaderSettings
from services.loader.source import ChunkSource
from services.loader.target import make_writer, must_go_one_by_one, open_target
from services.loader.verdicts import FailedRow, reject


class TooManyRejects(BadInput):
    """More records were refused than the dataset allows."""


class Load:
    """One attempt at one chunk."""

    def __init__(
        self,
        connection: Connection,
        work: ChunkWork,
        rejects: RejectSpool,
        heartbeat: Heartbeat,
        settings: LoaderSettings,
    ) -> None:
        """Take what belongs to the attempt; `rejects` outlives it."""
        self._connection = connection
        self._definition = work.definition
        self._rejects = rejects
        self._heartbeat = heartbeat
        self._settings = settings
        self._source = ChunkSource(work, settings)
        self._rows_accepted = 0

    def run(self) -> ChunkEnd:
        """Write every record of the chunk; return how it ends, with the counts."""
        self._source.check_unchanged()
        with self._connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            table = open_target(cursor, self._definition)
            header = self._source.read_header()
            columns = match_header(
                header.cells, table, self._definition.columns, key=self._definition.key
            )
            writer = make_writer(cursor, table, columns, self._definition)
            savepoint = Savepoint(cursor)
            narrowing = Narrowing(
                writer,
                Judge(cursor, table, columns, writer, savepoint),
                savepoint,
                largest_window=self._settings.block_rows,
                one_by_one=must_go_one_by_one(table, columns, self._definition.mode),
            )
            for records in self._source.blocks(header):
                for block in _cut(records, self._settings.block_rows):
                    self._load_block(block, narrowing)
            savepoint.settle()
        self._source.check_unchanged()
        self._check_ratio()
        return ChunkEnd(
            ChunkState.DONE,
            rows_loaded=self._rows_accepted - writer.rows_superseded,
            rows_rejected=self._rejects.count,
            rows_superseded=writer.rows_superseded,
            bytes_done=self._source.bytes_done,
        )

    @property
    def bytes_done(self) -> int:
        """Return how much of the source has been read, in bytes as stored."""
        return self._source.bytes_done

    def _load_block(self, block: Sequence[Record], narrowing: Narrowing) -> None:
        """Write one block; its failed rows are kept in file order, also when it stops half-way."""
        sound = [record for record in block if record.fault is None]
        failed = [
            reject(record, record.fault.code, record.fault.message)
            for record in block
            if record.fault is not None
        ]
        before = self._heartbeat.progress.rows_read

        def on_progress(position: int, refused: Sequence[FailedRow]) -> None:
            self._heartbeat.progress.rows_read = before + position
            self._heartbeat.check()
            if self._too_many(len(failed) + len(refused)):
                self._keep([*failed, *refused])
                raise self._too_many_rejects()

        on_progress(0, [])
        failed += narrowing.load(sound, on_progress)
        self._keep(failed)
        self._rows_accepted += len(block) - len(failed)
        self._heartbeat.progress.rows_read = before + len(block)
        self._heartbeat.progress.bytes_done = self._source.bytes_done

    def _keep(self, failed: list[FailedRow]) -> None:
        """Add a block's failed rows in file order."""
        self._rejects.add(sorted(failed, key=lambda row: row.byte_offset))

    def _too_many(self, more: int) -> bool:
        """Tell whether so many more failed rows exceed the absolute threshold."""
        most = self._definition.max_rejected_rows
        return most is not None and self._rejects.count + more > most

    def _check_ratio(self) -> None:
        """Raise when an atomic job, which is this chunk alone, exceeds a threshold at its end."""
        read = self._rows_accepted + self._rejects.count
        if self._definition.atomic and self._definition.exceeds_thresholds(
            read, self._rejects.count
        ):
            raise self._too_many_rejects()

    def _too_many_rejects(self) -> TooManyRejects:
        """Word the error."""
        definition = self._definition
        limits = f"max_rejected_rows={definition.max_rejected_rows}, max_rejected_ratio={definition.max_rejected_ratio}"
        read = max(self._heartbeat.progress.rows_read, self._rows_accepted + self._rejects.count)
        return TooManyRejects(
            "too-many-rejects",
            f"{self._rejects.count} of the first {read} records were rejected ({limits}); nothing of "
            "this chunk was loaded: correct the failed rows' cause and load again, or raise the threshold",
        )


def _cut(records: list[Record], size: int) -> Iterator[list[Record]]:
    """Cut a list into lists of at most `size`."""
    return (records[start : start + size] for start in range(0, len(records), size))
