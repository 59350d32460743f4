"""Export failed rows as CSV: the columns of the source, then the reason of each row.

    failed_rows ──pages──► cells by the job's dialect ──► lines

The names are those that the plan has read; before it, there is one column `raw`.
"""

import io
from collections.abc import Generator, Sequence

from fastapi.responses import StreamingResponse
from sqlalchemy import Select
from sqlalchemy.orm import Session, sessionmaker

from libs.common.csv.dialect import FileFormat
from libs.common.csv.framing import Framer
from libs.common.csv.records import split
from libs.common.csv.text import Text
from libs.common.errors import Conflict
from libs.common.ledger.models import FailedRow, Job
from services.api.exports.csv_cells import MEDIA_TYPE, write_line
from services.api.exports.row_stream import pages_of
from services.api.schemas import SHOWN_BYTES, place_of, render_raw

REASON_COLUMNS = (
    "adsp_line_number",
    "adsp_error_code",
    "adsp_column",
    "adsp_sqlstate",
    "adsp_message",
)
FILE_COLUMN = "adsp_file"
RAW_COLUMN = "raw"


def require_header(job: Job) -> list[str]:
    """Return the names in the source's header, or raise `Conflict` when the job has not been planned."""
    if job.header is None:
        raise Conflict(
            "header-unknown",
            f"the header of job {job.id} is not on record, for the job was not planned; correct "
            "its failed rows in a file with the dataset's header, and send that as the body of its replay",
        )
    return job.header


def export_rows(
    sessions: sessionmaker[Session],
    query: Select[FailedRow],
    header: Sequence[str] | None,
    dialect: FileFormat,
    max_record_bytes: int,
    paths: Sequence[str],
    *,
    is_masked: bool = False,
) -> Generator[str]:
    """Yield the CSV file in blocks, reading rows as they are asked for.

    `paths` are those of the source's files; of several, each row names its own. `is_masked`: rows of which not all is
    kept have all their cells, of which some are masked.
    """
    yield write_line([*(header or (RAW_COLUMN,)), *reason_columns(paths)])
    for rows in pages_of(sessions, query):
        yield "".join(
            write_line(
                [
                    *_source_cells(row, header, dialect, max_record_bytes, is_masked=is_masked),
                    *reason_of(row, paths),
                ]
            )
            for row in rows
        )


class ExportResponse(StreamingResponse):
    """An answer that is saved as a file."""

    def __init__(self, blocks: Generator[str] | Generator[bytes], filename: str) -> None:
        """Stream `blocks` as a file to be saved."""
        disposition = {"Content-Disposition": f'attachment; filename="{filename}"'}
        super().__init__(blocks, media_type=MEDIA_TYPE, headers=disposition)


def cells_of(
    raw: bytes, width: int, dialect: FileFormat, max_record_bytes: int
) -> Sequence[str | None]:
    """Return a record's cells, `width` of them.

    Missing ones are left empty; a record that cannot be cut so stands whole in the first cell.
    """
    text = Text(io.BytesIO(raw), dialect.encoding)
    records = [
        record
        for block in split(Framer(text, dialect, max_record_bytes=max_record_bytes))
        for record in block
    ]
    is_sound = len(records) == 1 and records[0].fault is None
    cells = (
        [None if cell is None else cell.decode() for cell in records[0].cells] if is_sound else []
    )
    if not 0 < len(cells) <= width:
        cells = [render_raw(raw, dialect.encoding)[0]]
    return cells + [None] * (width - len(cells))


def _source_cells(
    row: FailedRow,
    header: Sequence[str] | None,
    dialect: FileFormat,
    max_record_bytes: int,
    *,
    is_masked: bool,
) -> Sequence[str | None]:
    width = 1 if header is None else len(header)
    is_cut = row.record_bytes is not None and not is_masked
    if header is None or is_cut or len(row.raw) > SHOWN_BYTES:
        return [render_raw(row.raw[:SHOWN_BYTES], dialect.encoding)[0]] + [None] * (width - 1)
    return cells_of(row.raw, width, dialect, max_record_bytes)


def reason_columns(paths: Sequence[str]) -> list[str]:
    """Return the names of what `reason_of` returns."""
    return [*([FILE_COLUMN] if len(paths) > 1 else []), *REASON_COLUMNS]


def reason_of(row: FailedRow, paths: Sequence[str]) -> list[str | int | None]:
    """Return where a failed row stands and why it was refused; of several files, its file first."""
    file, line_number, _ = place_of(row, paths)
    named = [file] if len(paths) > 1 else []
    return [*named, line_number, row.error_code.value, row.column_name, row.sqlstate, row.message]
