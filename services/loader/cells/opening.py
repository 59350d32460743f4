"""Prepare what a load makes of its cells, from its dataset, its header and its job."""

from psycopg2.extensions import cursor as Cursor

from libs.common.datasets.column_options import LOADED_AT
from libs.common.datasets.conversions import conversion_of
from libs.common.postgres.header_mapping import MatchedHeader
from services.loader.cells.added_values import AddedValues, Provenance
from services.loader.cells.conversion import CellConverter
from services.loader.cells.record_shape import RecordShape
from services.loader.leasing.chunks import ChunkWork


def open_shape(cursor: Cursor, header: MatchedHeader, work: ChunkWork) -> RecordShape:
    """Return what the records of a chunk become; the session has the settings of its dataset."""
    definition = work.definition
    converters = {
        place: CellConverter(column.name, conversion)
        for place, column in enumerate(header.columns[: len(header.places)])
        if (conversion := conversion_of(definition.convert, column)) is not None
    }
    added = header.columns[len(header.columns) - header.added :]
    values = [definition.add[column.name] for column in added]
    provenance = Provenance(
        job_id=work.job_id,
        data_date=work.data_date,
        files={file.number: file.path for file in work.files},
        loaded_at=_read_time(cursor) if LOADED_AT in values else "",
    )
    return RecordShape(header, converters, AddedValues(values, provenance))


def _read_time(cursor: Cursor) -> str:
    """Return the time of the transaction as Postgres writes it."""
    cursor.execute("SELECT pg_catalog.now()::text")
    row = cursor.fetchone()
    return str(row[0]) if row else ""
