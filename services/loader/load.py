"""Load one chunk into its target within the caller's transaction: the load itself, without ledger or queue.

Nothing is committed here. What it raises: `BadInput` when the source or the target cannot be loaded as it is or
too much of it is refused, `LeaseLost` or `LoadCancelled` when it has to stop, and psycopg2.Error or OSError for
faults of the system.
"""

from functools import partial

from psycopg2.errors import SequenceGeneratorLimitExceeded
from psycopg2.extensions import connection as Connection

from libs.common.csv.header import Header, with_names
from libs.common.csv.skipped_records import SkippedRecords
from libs.common.datasets.masked_errors import mask_error
from libs.common.datasets.slices import Slice
from libs.common.enums import ChunkState, LoadMode
from libs.common.errors import BadInput
from libs.common.postgres.header_mapping import match_header
from libs.common.postgres.target_table import TargetTable
from services.loader.blocks.sequences import sequence_exhausted
from services.loader.blocks.slice_filter import require_kept
from services.loader.cells.opening import open_shape
from services.loader.cells.record_shape import RecordShape
from services.loader.chunk_reader import ChunkSource
from services.loader.date_orders import DateOrderWatch
from services.loader.file_counts import FileTally
from services.loader.leasing.chunk_ends import ChunkEnd
from services.loader.leasing.chunks import ChunkWork
from services.loader.leasing.lease import Heartbeat
from services.loader.load_target import LoadTarget
from services.loader.record_load import RecordLoad
from services.loader.rejects.masks import RejectMask
from services.loader.rejects.spool import RejectSpool
from services.loader.savepoint import SavepointCursor
from services.loader.settings import LoaderSettings
from services.loader.strategies import Loaded, LoadSteps, load_records
from services.loader.target import open_target
from services.loader.thresholds import Thresholds

UNDO_LOAD = "ROLLBACK TO SAVEPOINT adsp_load"
"""Undo all that a load has written into the target, and keep its transaction."""


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
        self._heartbeat = heartbeat
        self._settings = settings
        self._source = ChunkSource(work, settings)
        self._thresholds = Thresholds(work, rejects)
        self._tally = FileTally(file.number for file in work.files if work.counts_files)

    def run(self) -> ChunkEnd:
        """Write every record of the chunk; return how it ends, with the counts."""
        try:
            return self._run()
        except BadInput as exc:
            masked = mask_error(exc, self._definition)
            if masked is exc:
                raise
            raise masked from exc

    def _run(self) -> ChunkEnd:
        self._source.check_unchanged()
        with self._connection.cursor(cursor_factory=SavepointCursor) as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            table = open_target(cursor, self._definition)
            header = self._source.read_header()
            matched = match_header(header.cells, table, self._definition.header_rules)
            self._rejects.mask = RejectMask.of(self._definition, header, matched)
            shape = open_shape(cursor, matched, self._work)
            dates = DateOrderWatch(matched.columns, self._definition)
            records = self._records(header, dates)
            loaded_by = self._write(records, self._target(cursor, table, shape, header))
        self._source.check_unchanged()
        self._source.check_content()
        self._rejects.settle()
        return self._end(records, loaded_by, dates)

    def _records(self, header: Header, dates: DateOrderWatch) -> RecordLoad:
        """Return the records below a header, none of which is written."""
        return RecordLoad(
            partial(self._source.blocks, header),
            dates,
            self._tally,
            self._rejects,
            self._thresholds,
            self._heartbeat,
            self._settings.block_rows,
        )

    def _target(
        self, cursor: SavepointCursor, table: TargetTable, shape: RecordShape, header: Header
    ) -> LoadTarget:
        """Return where the records go."""
        form = with_names(self._definition.format, header.cells)
        return LoadTarget(
            cursor,
            table,
            shape,
            SkippedRecords(form, header.line),
            self._definition.model_copy(update={"format": form}),
            self._settings,
            Slice.of(table, self._definition, self._work.data_date),
            self._work.has_lost_columns,
        )

    def _write(self, records: RecordLoad, target: LoadTarget) -> Loaded:
        """Write every record on the first way that does; return how."""
        cursor, table, part = target.cursor, target.table, target.part

        def undo() -> None:
            cursor.execute(UNDO_LOAD)
            records.forget()

        cursor.execute("SAVEPOINT adsp_load")
        try:
            loaded_by = load_records(target, LoadSteps(records.write, undo, self._heartbeat.check))
        except SequenceGeneratorLimitExceeded as exc:
            cursor.execute(UNDO_LOAD)
            raise sequence_exhausted(cursor, table, exc) from exc
        if part is not None and self._definition.mode is LoadMode.REPLACE:
            require_kept(cursor, table, part, records.rows_accepted)
        return loaded_by

    def _end(self, records: RecordLoad, loaded_by: Loaded, dates: DateOrderWatch) -> ChunkEnd:
        """Return how the chunk ends; raises `BadInput` where its counts are not what they must be."""
        self._thresholds.check_ratio(records.rows_accepted)
        pipeline, changes = loaded_by.pipeline, loaded_by.changes
        superseded = pipeline.writer.rows_superseded
        loaded = records.rows_accepted - superseded
        by_file = self._tally.by_file(self._rejects.by_file)
        self._source.check_footers(records.rows_accepted + self._rejects.count, by_file)
        return ChunkEnd(
            ChunkState.DONE,
            rows_loaded=loaded,
            rows_rejected=self._rejects.count,
            rows_superseded=superseded,
            rejected_by_code=self._rejects.by_code,
            bytes_done=self._source.bytes_done,
            by_file=by_file,
            warnings=[
                *self._thresholds.check_guards(loaded),
                *dates.warn(),
                *self._source.warnings(pipeline.splitter.skipped),
            ],
            path=pipeline.path.after(records.blocks, records.blocks_by_records),
            changes=changes,
            digest=self._source.digest_of_unread,
        )
