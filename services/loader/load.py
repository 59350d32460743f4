"""Stream one chunk into its target within the caller's transaction: the load itself, without ledger or queue.

    source ──► blocks ──► tuples ──► block path ──► Postgres
                 │                      └── refused ──► rejects
                 └──► records ──► row path ──► Postgres    ▲
                         └── not well-formed, or refused ──┘

Nothing is committed here. What it raises: `BadInput` when the source or the target cannot be loaded as it is or
too much of it is refused, `LeaseLost` or `LoadCancelled` when it has to stop, and psycopg2.Error or OSError for
faults of the system.
"""

from collections.abc import Callable, Generator, Iterator, Sequence

from psycopg2.errors import SequenceGeneratorLimitExceeded
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from libs.common.csv.framing import Block
from libs.common.csv.header import Header, with_names
from libs.common.csv.places import from_place
from libs.common.csv.records import Record
from libs.common.csv.skipped_records import SkippedRecords
from libs.common.datasets.slices import Slice
from libs.common.enums import ChunkState, LoadMode
from libs.common.failpoints import FailPoint, failpoint
from libs.common.logs import get_logger
from libs.common.messaging.stage_metrics import STAGES, StageOfJob
from libs.common.postgres.header_mapping import match_header
from libs.common.postgres.target_table import TargetTable
from services.loader.blocks.preparation import BlockPlan, Prepared
from services.loader.blocks.sequences import sequence_exhausted
from services.loader.blocks.slice_filter import require_kept
from services.loader.cells.opening import open_shape
from services.loader.cells.record_shape import RecordShape
from services.loader.chunk_reader import ChunkSource
from services.loader.date_orders import DateOrderWatch
from services.loader.file_counts import FileTally
from services.loader.leasing.chunks import ChunkEnd, ChunkWork
from services.loader.leasing.lease import Heartbeat
from services.loader.pipeline import LoadPipeline
from services.loader.prefetch import read_ahead
from services.loader.rejects.columns import RejectedRows, by_columns
from services.loader.rejects.rejected_row import RejectedRecord, rejected
from services.loader.rejects.spool import RejectSpool
from services.loader.rows.bisection import BisectingWriter
from services.loader.savepoint import Savepoint, SavepointCursor
from services.loader.settings import LoaderSettings
from services.loader.strategies import Loaded, LoadSteps, LoadTarget, load_records
from services.loader.target import open_target
from services.loader.thresholds import Thresholds

log = get_logger(__name__)


_PROBED_AFTER = 2
"""So many blocks; files that are shorter are not worth it."""


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
        self._work = work
        self._definition = work.definition
        self._rejects = rejects
        self._thresholds = Thresholds(work, rejects)
        self._heartbeat = heartbeat
        self._settings = settings
        self._source = ChunkSource(work, settings)
        self._rows_accepted = 0
        self._tally = FileTally(file.number for file in work.files if work.counts_files)
        self._blocks = 0
        self._blocks_by_records = 0
        self._dates = DateOrderWatch((), work.definition)

    def run(self) -> ChunkEnd:
        """Write every record of the chunk; return how it ends, with the counts."""
        self._source.check_unchanged()
        with self._connection.cursor(cursor_factory=SavepointCursor) as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            table = open_target(cursor, self._definition)
            header = self._source.read_header()
            matched = match_header(header.cells, table, self._definition.header_rules)
            shape = open_shape(cursor, matched, self._work)
            self._dates = DateOrderWatch(matched.columns, self._definition)
            part = Slice.of(table, self._definition, self._work.data_date)
            cursor.execute("SAVEPOINT adsp_load")
            try:
                loaded_by = self._load_table(cursor, table, shape, header, part)
            except SequenceGeneratorLimitExceeded as exc:
                cursor.execute("ROLLBACK TO SAVEPOINT adsp_load")
                raise sequence_exhausted(cursor, table, exc) from exc
            if part is not None and self._definition.mode is LoadMode.REPLACE:
                require_kept(cursor, table, part, self._rows_accepted)
        self._source.check_unchanged()
        self._source.check_content()
        self._rejects.settle()
        self._thresholds.check_ratio(self._rows_accepted)
        pipeline, changes = loaded_by.pipeline, loaded_by.changes
        superseded = pipeline.writer.rows_superseded
        loaded = self._rows_accepted - superseded
        by_file = self._tally.by_file(self._rejects.by_file)
        self._source.check_footers(self._rows_accepted + self._rejects.count, by_file)
        return ChunkEnd(
            ChunkState.DONE,
            rows_loaded=loaded,
            rows_rejected=self._rejects.count,
            rows_superseded=superseded,
            bytes_done=self._source.bytes_done,
            by_file=by_file,
            warnings=[
                *self._thresholds.check_guards(loaded),
                *self._dates.warn(),
                *self._source.warnings(pipeline.splitter.skipped),
            ],
            path=pipeline.path.after(self._blocks, self._blocks_by_records),
            changes=changes,
        )

    def _load_table(
        self,
        cursor: SavepointCursor,
        table: TargetTable,
        shape: RecordShape,
        header: Header,
        part: Slice | None,
    ) -> Loaded:
        """Write every record on the first way that does; return how."""
        form = with_names(self._definition.format, header.cells)
        target = LoadTarget(
            cursor,
            table,
            shape,
            SkippedRecords(form, header.line),
            self._definition.model_copy(update={"format": form}),
            self._settings,
            part,
            self._work.has_lost_columns,
        )
        steps = LoadSteps(
            write=lambda pipeline, probe: self._load(header, pipeline, probe),
            undo=lambda: self._forget(cursor),
            check=self._heartbeat.check,
        )
        return load_records(target, steps)

    def _load(
        self,
        header: Header,
        pipeline: LoadPipeline,
        probe: Callable[[Savepoint], None] | None,
    ) -> None:
        """Write every record one way or another; `probe` may raise when some are written."""
        file = 0
        for block, prepared, bytes_done in read_ahead(self._prepared(header, pipeline.plan)):
            self._blocks += 1
            number, _ = from_place(block.byte_offset)
            if self._tally.counts_files and number != file:
                pipeline.flush(is_last=False)
                self._close_file(file, pipeline)
            file = number
            if prepared is None or not self._write_block(pipeline, prepared):
                self._blocks_by_records += 1
                pipeline.flush(is_last=False)
                for part in _cut(pipeline.splitter.split(block), self._settings.block_rows):
                    self._load_records(part, pipeline.bisecting)
            self._heartbeat.progress.bytes_done = bytes_done
            failpoint(FailPoint.MID_COPY)
            if probe is not None and self._blocks == _PROBED_AFTER:
                probe(pipeline.savepoint)
        pipeline.flush(is_last=True)
        pipeline.savepoint.settle()
        self._close_file(file, pipeline)
        STAGES.add(pipeline.single_row.seconds, StageOfJob.JUDGE)

    def _close_file(self, number: int, pipeline: LoadPipeline) -> None:
        """Note what has become of the records up to the end of a file."""
        superseded = pipeline.writer.rows_superseded
        self._tally.close(number, accepted=self._rows_accepted, superseded=superseded)

    def _forget(self, cursor: Cursor) -> None:
        """Undo all that was written and counted."""
        cursor.execute("ROLLBACK TO SAVEPOINT adsp_load")
        self._rejects.forget()
        self._rows_accepted = self._blocks = self._blocks_by_records = 0
        self._tally.forget()
        self._dates.forget()
        self._heartbeat.progress.rows_read = 0

    def _prepared(
        self, header: Header, plan: BlockPlan | None
    ) -> Generator[tuple[Block, Prepared | None, int], None, None]:
        """Yield the blocks, prepared where that is possible, with the bytes read so far."""
        for block, bytes_done in self._source.blocks(header, plan.count_ends if plan else None):
            yield block, plan.prepare(block) if plan else None, bytes_done

    def _write_block(self, pipeline: LoadPipeline, prepared: Prepared) -> bool:
        """Write a prepared block, or return False when it has to take the row path."""
        self._heartbeat.check()
        settled = pipeline.block_writer.write(prepared) if pipeline.block_writer else None
        if settled is None:
            return False
        self._dates.note_cells(prepared.type_check_cells)
        through, refused = prepared.count - len(settled.remaining), settled.refused
        pipeline.splitter.skipped.update(prepared.skipped)
        self._rows_accepted += through - _count(refused)
        self._heartbeat.progress.rows_read += through
        self._check_count(_count(refused), lambda: refused)
        self._load_records(settled.remaining, pipeline.single_rows, refused)
        return True

    def _load_records(
        self,
        block: Sequence[Record],
        bisecting: BisectingWriter,
        refused: Sequence[RejectedRows] | None = None,
    ) -> None:
        """Write one block; its failed rows are kept, also when it stops half-way.

        `refused` are failed rows that stand among these records.
        """
        sound = [record for record in block if record.fault is None]
        if refused is None:  # else they are of a prepared block, whose cells are noted
            self._dates.note_records(sound)
        failed = [
            rejected(
                record, record.fault.code, record.fault.message, column_name=record.fault.column
            )
            for record in block
            if record.fault is not None
        ]
        before = self._heartbeat.progress.rows_read
        known = refused or []
        count_known = len(failed) + _count(known)

        def on_progress(position: int, more: Sequence[RejectedRecord]) -> None:
            """Only count: it is called after each record when all of them are refused."""
            self._heartbeat.progress.rows_read = before + position
            self._heartbeat.check()
            self._check_count(
                count_known + len(more),
                lambda: [*known, by_columns([*failed, *more])],
            )

        if block:
            on_progress(0, [])
            failed += bisecting.load(sound, on_progress)
        self._rejects.add([*known, by_columns(failed)])
        self._rows_accepted += len(block) - len(failed)
        self._heartbeat.progress.rows_read = before + len(block)

    def _check_count(self, more: int, refused: Callable[[], Sequence[RejectedRows]]) -> None:
        """Keep these failed rows and raise when they and those before are too many."""
        self._thresholds.check_count(
            more,
            refused,
            rows_read=self._heartbeat.progress.rows_read,
            rows_accepted=self._rows_accepted,
        )


def _count(refused: Sequence[RejectedRows]) -> int:
    """Return how many failed rows these are together."""
    return sum(map(len, refused))


def _cut(records: list[Record], size: int) -> Iterator[list[Record]]:
    """Cut a list into lists of at most `size`."""
    return (records[start : start + size] for start in range(0, len(records), size))
