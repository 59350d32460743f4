"""Wire the paths by which the records of one load reach its target.

block path: plan (in a thread) ──► block writer ──► sink: the target, or a staging table of an upsert
row path: splitter ──► bisecting writer ──► writer, single inserts; or one by one
"""

from dataclasses import dataclass

from libs.common.csv.records import RecordSplitter
from libs.common.enums import LoadPath
from services.loader.blocks.block_path import BlockPath, open_block_path
from services.loader.blocks.sink import Target
from services.loader.blocks.slice_filter import SliceGate
from services.loader.cells.record_shape import ShapingSplitter, Splitter
from services.loader.changes.row_changes import RowChanges
from services.loader.load_target import LoadTarget
from services.loader.path_taken import PathTaken
from services.loader.rows.append import Writer
from services.loader.rows.bisection import BisectingWriter
from services.loader.rows.one_by_one import MOST_TOGETHER, OneByOneWriter
from services.loader.rows.row_writer import RowWriter
from services.loader.rows.single_insert import SingleRowWriter
from services.loader.savepoint import Savepoint
from services.loader.target import make_writer, may_write_twice, why_single_row_inserts

_STARTED_OVER = (
    "Postgres refused rows of an upsert that had been put together, and does not say which"
)


@dataclass(frozen=True, slots=True)
class LoadPipeline:
    """The paths of one load; without `blocks` all records take the row path."""

    splitter: Splitter
    writer: Writer
    single_row: SingleRowWriter
    savepoint: Savepoint
    rows: RowWriter
    single_rows: RowWriter
    """For what is left of a prepared block: mostly refused, so that no COPY is worth a try."""
    blocks: BlockPath | None
    path: PathTaken

    @property
    def changes(self) -> RowChanges | None:
        """Return what has been changed in the target, where its sink knows."""
        return self.blocks.sink.changes if self.blocks is not None else None

    @property
    def joins_blocks(self) -> bool:
        """Return whether blocks of several files may be written at once: what becomes of each file is known then."""
        return self.blocks is not None and isinstance(self.blocks.sink, Target)

    def flush(self, *, is_last: bool) -> None:
        """Have all that was written by blocks in the target; records may follow unless it `is_last`."""
        if self.blocks is not None:
            self.blocks.writer.flush(is_last=is_last)


def open_pipeline(target: LoadTarget, *, by_blocks: bool = True) -> LoadPipeline:
    """Prepare a load; for a replace, the old rows go, those of a slice if only that is replaced."""
    cursor, table, columns, part = target.cursor, target.table, target.columns, target.part
    writer = make_writer(target)
    savepoint = Savepoint(cursor)
    gate = SliceGate(cursor, columns, part, savepoint) if part else None
    single_row = SingleRowWriter(cursor, table, columns, writer, savepoint)
    why_singly = why_single_row_inserts(table, columns, target.definition.mode)
    why_rows = why_singly or (None if by_blocks else _STARTED_OVER)
    blocks = why_rows or open_block_path(target, writer, single_row, savepoint)
    together = MOST_TOGETHER if may_write_twice(table, columns) else 1
    one_by_one = OneByOneWriter(single_row, together, gate)
    return LoadPipeline(
        _open_splitter(target),
        writer,
        single_row,
        savepoint,
        one_by_one
        if why_singly
        else BisectingWriter(writer, single_row, savepoint, target.settings.block_rows, gate),
        one_by_one,
        None if isinstance(blocks, str) else blocks,
        _name_path(blocks if isinstance(blocks, str) else None, is_singly=why_singly is not None),
    )


def _open_splitter(target: LoadTarget) -> Splitter:
    """Return what reads the records of the row path."""
    records = RecordSplitter(
        target.definition.format,
        width=target.shape.header.width,
        max_record_bytes=target.settings.max_record_bytes,
        kept_record_bytes=target.settings.max_failed_record_bytes,
        skips=target.skips,
    )
    return ShapingSplitter(records, target.shape)


def _name_path(reason: str | None, *, is_singly: bool) -> PathTaken:
    """Return the path that a reason against blocks leaves."""
    if reason is None:
        return PathTaken(LoadPath.BLOCKS)
    return PathTaken(LoadPath.SINGLY if is_singly else LoadPath.RECORDS, reason)
