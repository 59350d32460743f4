"""Say what a replay is: which failed rows can be loaded again, and under which definition.

    failed rows of the chunks that are done ──► as they are, or corrected ──► a job of its own, `replay_of` the first

Rows of a chunk that is not done do not count: none of that chunk was loaded, and the next job of the same source
loads all of it. See docs/decisions/0012.
"""

import hashlib
import io
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute

from libs.common.csv.dialect import FileFormat, HeaderFormat
from libs.common.csv.framing import Framer
from libs.common.csv.records import split
from libs.common.csv.text import Text
from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import ChunkState, ErrorCode, LoadMode, Once
from libs.common.ledger.models import Chunk, FailedRow

OPEN_ENDED = frozenset({ErrorCode.LINE_TOO_LONG, ErrorCode.MALFORMED_QUOTE})
"""Codes of rows that may swallow those after them in a file: a quote may never close. They stand last."""

IS_WHOLE = FailedRow.record_bytes.is_(None)
"""Of a failed row: all bytes of its record are kept, so that it can stand in a file."""


def replayable_rows(job_id: UUID, column: InstrumentedAttribute[Any]) -> Select[Any]:
    """Select a column of the failed rows that a replay of the job has to load."""
    return (
        select(column)
        .join(Chunk, (Chunk.job_id == FailedRow.job_id) & (Chunk.number == FailedRow.chunk_number))
        .where(FailedRow.job_id == job_id, Chunk.state == ChunkState.DONE)
    )


def is_one_record(raw: bytes, dialect: FileFormat) -> bool:
    """Return whether the bytes of a failed row, however long, are one record that swallows nothing after it."""
    text = Text(io.BytesIO(raw), dialect.encoding)
    framer = Framer(text, dialect, max_record_bytes=max(len(raw), 1))
    records = [record for block in split(framer) for record in block]
    return len(records) == 1 and (
        records[0].fault is None or records[0].fault.code not in OPEN_ENDED
    )


def definition_of_replay(
    replayed: DatasetDefinition,
    current: DatasetDefinition,
    compression: Literal["auto", "none"],
) -> DatasetDefinition:
    """Return the dataset's current definition, changed for rows that a job under `replayed` has refused.

    The rows keep the dialect that they were cut by, and stand in a file below its header alone. A replace would leave
    nothing but them, so they are appended; into a slice only those that belong there.
    Thresholds and guards are against a bad file; these rows are known to be bad.
    """
    dialect = _dialect_of_rows(replayed.format)
    changes: dict[str, object] = {
        "format": current.format.model_dump() | dialect | {"compression": compression},
        "mode": LoadMode.APPEND if current.mode is LoadMode.REPLACE else current.mode,
        "once": Once.CONTENT,
        "max_rejected_rows": None,
        "max_rejected_ratio": None,
        "min_rows": None,
        "max_shrink": None,
        "required_columns": [],
    }
    return DatasetDefinition.model_validate(current.model_dump() | changes)


def _dialect_of_rows(replayed: FileFormat) -> dict[str, object]:
    """Return how failed rows are cut that were cut so once: without what stood above their header and below them."""
    names = {"type", "delimiter", "quote", "escape", "encoding", "comment", "line_end"}
    names |= {
        "trailing_delimiter",
        "blank_records",
        *(["null"] if replayed.type == "jsonl" else []),
    }
    header = HeaderFormat(lines=replayed.header.lines, names=replayed.header.names)
    return {
        **replayed.model_dump(include=names),
        "header": header.model_dump(),
        "footer": None,
        "member": None,
    }


def fingerprint_of_replay(content: str, replay_of: UUID) -> str:
    """Return the fingerprint of a replay: the same rows may have failed, and be replayed, in many jobs."""
    return hashlib.sha256(f"replay of {replay_of}: {content}".encode()).hexdigest()
