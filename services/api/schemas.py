"""Define the bodies that the api takes and gives; their field names are a stable interface."""

import base64
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, StrictBool

from libs.common.csv.places import from_place
from libs.common.csv.utf16 import UTF_16
from libs.common.datasets.definition import DATASET_NAME_PATTERN
from libs.common.enums import ErrorCode, JobState, LoadPath, Stage, Trigger, WarningCode
from libs.common.ledger.models import FailedRow, Job
from libs.common.strict_model import StrictModel

FORCE = (
    "Load content that was loaded before once more, behind a newer delivery too, and step over `max_shrink` and a"
    " header that has lost columns."
)
DRY_RUN = (
    "Judge every record as a load would, then undo it: counts, failed rows and warnings as if, nothing in the table. "
    "The job ends `checked`, or `failed` where the load would; it is never a reason not to load the same content."
)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _require_iso_date(value: Any) -> Any:
    """Refuse the timestamps and numbers that would pass for a date too."""
    if isinstance(value, str) and _ISO_DATE.fullmatch(value):
        return value
    raise ValueError("write the date as YYYY-MM-DD")


IsoDate = Annotated[date, BeforeValidator(_require_iso_date)]


class TriggerRequest(StrictModel):
    """What to load; everything left out comes from the dataset."""

    dataset: str | None = Field(
        None, pattern=DATASET_NAME_PATTERN, description="Default: the daily dataset."
    )
    source: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        pattern=r"^[^\x00]*$",
        description="Path or glob under an allowed root; default: the dataset's pattern.",
    )
    data_date: IsoDate | None = Field(
        None, description="The day the data is of; default: today in the dataset's time zone."
    )
    force: StrictBool = Field(
        default=False,
        description=FORCE,
    )


class JobCreation(TriggerRequest):
    """What to load into which dataset."""

    dataset: str = Field(pattern=DATASET_NAME_PATTERN, description="A dataset that exists.")
    dry_run: StrictBool = Field(default=False, description=DRY_RUN)


class JobErrorDocument(BaseModel):
    """Why a job failed."""

    code: str = Field(description="Stable name of the reason.")
    message: str = Field(description="What is wrong, and how to fix it.")


class JobWarningDocument(BaseModel):
    """What was odd about a job and allowed."""

    code: str = Field(
        description=f"Stable name of what it was: {', '.join(code.value for code in WarningCode)}."
    )
    message: str = Field(description="What it was, and what was done about it.")
    counts: dict[str, int] = Field(description="The numbers in question, by name.")


class LoadPathDocument(BaseModel):
    """How the records of some chunks reached their table, and why not faster."""

    path: LoadPath
    reason: str | None = Field(description="Why not by blocks of records; null where it was.")
    chunks: int


class HeaderChangesDocument(BaseModel):
    """How the header of a job differs from that of the load before."""

    since: UUID = Field(description="The job that the header is compared with.")
    added: list[str] = Field(description="Cells that the other header had not.")
    lost: list[str] = Field(description="Cells of the other header that are gone.")


class JobDocument(BaseModel):
    """One load of one source for one dataset and data date."""

    id: UUID
    dataset: str
    definition_version: int = Field(
        description="The version of the dataset's definition that it loads by: GET "
        "/v1/datasets/{name}/versions/{version}."
    )
    data_date: date
    source: str = Field(description="As requested, or the dataset's pattern for the data date.")
    state: JobState
    trigger: Trigger
    force: bool
    dry_run: bool = Field(description="Nothing of it stays in the table; counts are as if.")
    rows_read: int = Field(
        description="In an end state: rows_loaded + rows_rejected + rows_superseded."
    )
    rows_loaded: int
    rows_rejected: int = Field(description="Failed rows: GET /v1/jobs/{id}/failed-rows.")
    failed_rows_removed_at: datetime | None = Field(
        description="When these were removed, since the dataset keeps them for so long; null: they are there."
    )
    chunks_removed_at: datetime | None = Field(
        description="When its chunks were removed, since they are kept for so long; null: what there was is there."
        " `load_paths` and the times of loading are not known then."
    )
    rows_superseded: int = Field(description="Earlier records of a key in the same job (upsert).")
    rows_inserted: int | None = Field(
        description="Of a replace or upsert that has ended: rows that it has added to the table; null: not counted, as"
        " where all rows were written (`load_paths`)."
    )
    rows_updated: int | None = Field(description="Rows of the table that it has changed.")
    rows_deleted: int | None = Field(description="Rows that it has deleted from the table.")
    rows_unchanged: int | None = Field(
        description="Rows of the delivery that the table held already, which were not written."
    )
    bytes_total: int | None = Field(description="Size of the source as stored; null until planned.")
    bytes_done: int = Field(description="Of bytes_total, how many have been read.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None = Field(
        description="When it was asked to stop; a running job is `cancelled` soon after."
    )
    waiting_since: datetime | None = Field(
        description="When it began to wait for its source (`arrival`); kept once that has come."
    )
    attempt: int = Field(description="Times that planning was begun.")
    error: JobErrorDocument | None
    warnings: list[JobWarningDocument] = Field(
        description="What was odd and allowed, at most one of each code."
    )
    problem: str | None = Field(
        None,
        description="What an attempt at a part of a running job ended with, for example a lock that was not available; "
        "it is tried again. In lists always null.",
    )
    load_paths: list[LoadPathDocument] | None = Field(
        None,
        description="How its records reached the table: `blocks` is the fastest, then `records`, then `singly`. In"
        " lists always null.",
    )
    header_changes: HeaderChangesDocument | None = Field(
        None,
        description="How its header differs from that of the last load: which columns came or went; null: it does"
        " not. In lists always null.",
    )
    duplicate_of: UUID | None = Field(description="The job that has loaded the same content.")
    outdated_by: UUID | None = Field(
        description="The job of the newer delivery that the table holds (replace, upsert)."
    )
    owner: str | None = Field(
        description="Owner of the API key that made it; null: the schedule, or an api without keys."
    )
    replay_of: UUID | None = Field(description="The job whose failed rows this one loads.")

    @classmethod
    def of(cls, job: Job) -> Self:
        """Show a job as the ledger has it."""
        error = None
        if job.error_code is not None:
            error = JobErrorDocument(code=job.error_code, message=job.error_message or "")
        names = cls.model_fields.keys() - _OF_ONE_JOB
        return cls(error=error, **{name: getattr(job, name) for name in names})


_OF_ONE_JOB = frozenset({"error", "problem", "load_paths", "header_changes"})
"""What lists do not show, or what has another form."""

SHOWN_BYTES = 1 << 20
"""Of a longer failed row no more is shown: pages have bounds (rule 12)."""


def place_of(row: FailedRow, paths: Sequence[str]) -> tuple[str, int, int]:
    """Return where a failed row stands: its file, and its line number and byte offset in that."""
    if len(paths) == 1:
        return paths[0], row.line_number, row.byte_offset
    number, byte_offset = from_place(row.byte_offset)
    return paths[number], from_place(row.line_number)[1], byte_offset


class FailedRowDocument(BaseModel):
    """A rejected record with its place, its text and the reason."""

    id: int
    place: int = Field(description="Names it within its job, as its corrections do.")
    file: str = Field(description="Path of the file that it stands in.")
    line_number: int = Field(description="Physical line it starts on, from 1.")
    byte_offset: int = Field(description="Of its first byte in the decompressed file.")
    raw: str = Field(
        description="Its text; bytes that are not UTF-8 (in a UTF-16 source: not UTF-16) are shown as \\xNN."
    )
    raw_base64: str | None = Field(
        None,
        description="Its bytes; only there when `raw` does not tell them.",
        exclude_if=lambda value: value is None,
    )
    record_bytes: int | None = Field(
        None,
        description="Length of its record, with the line end where only its start is kept; only there when `raw` is "
        "not all of it.",
        exclude_if=lambda value: value is None,
    )
    kept_bytes: int | None = Field(
        None,
        description="How much of the record is kept: all of it (`format=source` gives it), or its start. Of that, "
        "`raw` shows at most 1 MiB. 0 where it is `masked`. Only there with `record_bytes`.",
        exclude_if=lambda value: value is None,
    )
    masked: bool = Field(
        default=False,
        description="The dataset masks columns: `raw` has a marker (`***`) in place of their cells, or is empty where "
        "the record cannot be cut into cells. The row is not replayed as it is: correct it as a whole, with "
        "`record`, or load its file again. Only there when it is true.",
        exclude_if=lambda value: not value,
    )
    stage: Stage
    error_code: ErrorCode
    column: str | None
    sqlstate: str | None
    message: str

    @classmethod
    def of(
        cls, row: FailedRow, encoding: str, paths: Sequence[str], *, is_masked: bool = False
    ) -> Self:
        """Show a failed row of a source in this encoding, of which these are the files, by number.

        `is_masked`: the job's dataset masks columns.
        """
        raw, raw_base64 = render_raw(row.raw[:SHOWN_BYTES], encoding)
        is_part = row.record_bytes is not None or len(row.raw) > SHOWN_BYTES
        masked = is_masked and row.record_bytes is not None
        file, line_number, byte_offset = place_of(row, paths)
        return cls(
            id=row.id,
            place=row.byte_offset,
            file=file,
            line_number=line_number,
            byte_offset=byte_offset,
            raw=raw,
            raw_base64=raw_base64,
            record_bytes=(row.record_bytes or len(row.raw)) if is_part else None,
            kept_bytes=(0 if masked else len(row.raw)) if is_part else None,
            masked=masked,
            stage=row.stage,
            error_code=row.error_code,
            column=row.column_name,
            sqlstate=row.sqlstate,
            message=row.message,
        )


def render_raw(raw: bytes, encoding: str) -> tuple[str, str | None]:
    r"""Return bytes as text; ``\xNN`` stands for what is not UTF-8, and Base64 beside it.

    UTF-16 would be hard to read so: it is shown as the text that it is, always with Base64.
    """
    if encoding in UTF_16:
        return raw.decode(encoding, "backslashreplace"), base64.b64encode(raw).decode()
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace"), base64.b64encode(raw).decode()
