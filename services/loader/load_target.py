"""What a load knows of its target and its file."""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.common.csv.skipped_records import SkippedRecords
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.slices import Slice
from libs.common.enums import LoadMode
from libs.common.postgres.target_table import TargetColumn, TargetTable
from services.loader.cells.record_shape import RecordShape
from services.loader.savepoint import SavepointCursor
from services.loader.settings import LoaderSettings


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """The table of a load, or the slice of it that is replaced, and what is known of the file."""

    cursor: SavepointCursor
    table: TargetTable
    shape: RecordShape
    skips: SkippedRecords
    definition: DatasetDefinition
    settings: LoaderSettings
    part: Slice | None
    has_lost_columns: bool
    """Whether the last load gave columns that this file lacks, so that they take their defaults in all rows."""
    appends_new_keys: bool = False
    """Whether the rows of an upsert are appended, since they meet none, until a key comes again."""

    @property
    def mode(self) -> LoadMode:
        """Return how rows are written."""
        return LoadMode.APPEND if self.appends_new_keys else self.definition.mode

    @property
    def columns(self) -> Sequence[TargetColumn]:
        """Return the columns that the load fills."""
        return self.shape.header.columns
