"""Write the records of a chunk into its target, block by block, and count what becomes of them.

source ──► blocks ──► tuples ──► block path ──► Postgres
│                      └── refused ──► rejects
└──► records ──► row path ──► Postgres    ▲
└── not well-formed, or refused ──┘
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeAlias

from libs.common.csv.block import Block
from libs.common.csv.framing import FindLines
from libs.common.csv.places import from_place
from libs.common.csv.records import Record
from libs.common.failpoints import FailPoint, failpoint
from libs.common.messaging.stage_metrics import STAGES, StageOfJob
from services.loader.blocks.block_path import BlockPath
from services.loader.blocks.prepared_block import Prepared
from services.loader.blocks.small_blocks import ReadBlock, join_small
from services.loader.date_orders import DateOrderWatch
from services.loader.file_counts import FileTally
from services.loader.leasing.lease import Heartbeat
from services.loader.pipeline import LoadPipeline
from services.loader.prefetch import read_ahead
from services.loader.rejects.columns import RejectedRows, by_columns
from services.loader.rejects.rejection import RejectedRecord, Rejection
from services.loader.rejects.spool import RejectSpool
from services.loader.rows.row_writer import RowWriter
from services.loader.savepoint import Savepoint
from services.loader.thresholds import Thresholds

BlocksOf: TypeAlias = Callable[[FindLines | None], Iterator[tuple[Block, int]]]
"""Yields the blocks of a chunk, each with the bytes read so far; it is given what counts the line ends of one."""

_PROBED_AFTER = 2
"""So many blocks; files that are shorter are not worth it."""


class RecordLoad:
    """The records of one attempt at one chunk."""

    def __init__(
        self,
        blocks_of: BlocksOf,
        dates: DateOrderWatch,
        tally: FileTally,
        rejects: RejectSpool,
        thresholds: Thresholds,
        heartbeat: Heartbeat,
        most_at_once: int,
    ) -> None:
        """Take what belongs to the attempt; on the row path at most so many records go together."""
        self._blocks_of = blocks_of
        self._dates = dates
        self._tally = tally
        self._rejects = rejects
        self._thresholds = thresholds
        self._heartbeat = heartbeat
        self._most_at_once = most_at_once
        self.rows_accepted = 0
        self.blocks = 0
        self.blocks_by_records = 0
        self._file = 0

    def write(
        self, pipeline: LoadPipeline, probe: Callable[[Savepoint], None] | None = None
    ) -> None:
        """Write every record one way or another; `probe` may raise when some are written."""
        blocks = read_ahead(self._prepared(pipeline.blocks))
        for together in (
            join_small(blocks) if pipeline.joins_blocks else ([read] for read in blocks)
        ):
            before = self.blocks
            self._write_blocks(pipeline, together)
            failpoint(FailPoint.MID_COPY)
            if probe is not None and before < _PROBED_AFTER <= self.blocks:
                probe(pipeline.savepoint)
        pipeline.flush(is_last=True)
        pipeline.savepoint.settle()
        self._close_file(self._file, pipeline)
        STAGES.add(pipeline.single_row.seconds, StageOfJob.JUDGE)

    def _write_blocks(self, pipeline: LoadPipeline, together: Sequence[ReadBlock]) -> None:
        """Write blocks at once, or one after the other where that is not possible."""
        is_written = len(together) > 1 and self._write_together(pipeline, together)
        for block, prepared, bytes_done in together:
            self.blocks += 1
            self._begin_file(block, pipeline)
            if is_written and prepared is not None:
                self._count_written(prepared, pipeline)
            elif prepared is None or not self._write_prepared(pipeline, prepared):
                self._write_by_records(pipeline, block)
            self._heartbeat.progress.bytes_done = bytes_done

    def _write_together(self, pipeline: LoadPipeline, together: Sequence[ReadBlock]) -> bool:
        """Write blocks by one COPY, or return False when nothing was written."""
        self._heartbeat.check()
        prepared = [read.prepared for read in together if read.prepared is not None]
        return pipeline.blocks is not None and pipeline.blocks.writer.write_together(prepared)

    def _count_written(self, prepared: Prepared, pipeline: LoadPipeline) -> None:
        """Count the records of a block all of which were written."""
        pipeline.splitter.skipped.update(prepared.skipped)
        self.rows_accepted += prepared.count
        self._heartbeat.progress.rows_read += prepared.count

    def forget(self) -> None:
        """Begin to count again: what was written has been undone."""
        self._rejects.forget()
        self.rows_accepted = self.blocks = self.blocks_by_records = 0
        self._tally.forget()
        self._dates.forget()
        self._heartbeat.progress.rows_read = 0
        self._file = 0

    def _begin_file(self, block: Block, pipeline: LoadPipeline) -> None:
        """Close the file before where a block is of the next one."""
        number, _ = from_place(block.byte_offset)
        if self._tally.counts_files and number != self._file:
            pipeline.flush(is_last=False)
            self._close_file(self._file, pipeline)
        self._file = number

    def _close_file(self, number: int, pipeline: LoadPipeline) -> None:
        """Note what has become of the records up to the end of a file."""
        superseded = pipeline.writer.rows_superseded
        self._tally.close(number, accepted=self.rows_accepted, superseded=superseded)

    def _prepared(self, blocks: BlockPath | None) -> Generator[ReadBlock, None, None]:
        """Yield the blocks, prepared where that is possible, with the bytes read so far."""
        plan = blocks.plan if blocks else None
        for block, bytes_done in self._blocks_of(plan.find_lines if plan else None):
            yield ReadBlock(block, plan.prepare(block) if plan else None, bytes_done)

    def _write_prepared(self, pipeline: LoadPipeline, prepared: Prepared) -> bool:
        """Write a prepared block, or return False when it has to take the row path."""
        self._heartbeat.check()
        settled = pipeline.blocks.writer.write(prepared) if pipeline.blocks else None
        if settled is None:
            return False
        self._dates.note_cells(prepared.type_check_cells)
        through, refused = prepared.count - len(settled.remaining), settled.refused
        pipeline.splitter.skipped.update(prepared.skipped)
        self.rows_accepted += through - _count(refused)
        self._heartbeat.progress.rows_read += through
        self._check_count(_count(refused), lambda: refused)
        self._write_records(settled.remaining, pipeline.single_rows, refused)
        return True

    def _write_by_records(self, pipeline: LoadPipeline, block: Block) -> None:
        """Write a block on the row path."""
        self.blocks_by_records += 1
        pipeline.flush(is_last=False)
        for part in _cut(pipeline.splitter.split(block), self._most_at_once):
            self._dates.note_records(record for record in part if record.fault is None)
            self._write_records(part, pipeline.rows, ())

    def _write_records(
        self,
        records: Sequence[Record],
        writer: RowWriter,
        known: Sequence[RejectedRows],
    ) -> None:
        """Write records; their failed rows are kept, also when it stops half-way.

        `known` are failed rows that stand among these records.
        """
        sound = [record for record in records if record.fault is None]
        failed = [
            (record, Rejection.of_fault(record.fault))
            for record in records
            if record.fault is not None
        ]
        before = self._heartbeat.progress.rows_read
        count_known = len(failed) + _count(known)

        def on_progress(position: int, more: Sequence[RejectedRecord]) -> None:
            """Only count: it is called after each record when all of them are refused."""
            self._heartbeat.progress.rows_read = before + position
            self._heartbeat.check()
            self._check_count(
                count_known + len(more),
                lambda: [*known, by_columns([*failed, *more])],
            )

        if records:
            on_progress(0, [])
            failed += writer.load(sound, on_progress)
        self._rejects.add([*known, by_columns(failed)])
        self.rows_accepted += len(records) - len(failed)
        self._heartbeat.progress.rows_read = before + len(records)

    def _check_count(self, more: int, refused: Callable[[], Sequence[RejectedRows]]) -> None:
        """Keep these failed rows and raise when they and those before are too many."""
        self._thresholds.check_count(
            more,
            refused,
            rows_read=self._heartbeat.progress.rows_read,
            rows_accepted=self.rows_accepted,
        )


def _count(refused: Sequence[RejectedRows]) -> int:
    """Return how many failed rows these are together."""
    return sum(map(len, refused))


def _cut(records: list[Record], size: int) -> Iterator[list[Record]]:
    """Cut a list into lists of at most `size`."""
    return (records[start : start + size] for start in range(0, len(records), size))
