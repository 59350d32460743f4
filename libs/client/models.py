"""Define what the api answers with, as the client gives it; fields that a newer api adds are ignored.

The names are those of the API reference (``/docs``), which describes each field.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Generic, Self, TypedDict, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")


class JobState(StrEnum):
    """The states of a job. A newer api may have more: ask `Job.is_over` and `Job.is_loaded`."""

    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    COMPLETED_WITH_REJECTS = "completed_with_rejects"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DUPLICATE = "duplicate"
    OUTDATED = "outdated"
    CHECKED = "checked"


class Document(BaseModel):
    """Something that the api shows."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class JobError(Document):
    """Why a job failed, and how to fix it."""

    code: str
    message: str


class JobWarning(Document):
    """What was odd about a job and allowed."""

    code: str
    message: str
    counts: dict[str, int] = Field(default_factory=dict)


class JobLoadPath(Document):
    """How the records of some chunks reached their table, and why not faster."""

    path: str
    reason: str | None
    chunks: int


class HeaderChanges(Document):
    """How the header of a job differs from that of the load before."""

    since: str
    added: list[str]
    lost: list[str]


class Job(Document):
    """One load of one delivery. Counts are rows, `bytes_*` are bytes as stored."""

    id: str
    dataset: str
    definition_version: int
    data_date: date
    source: str
    state: str
    trigger: str
    force: bool
    dry_run: bool = False
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    failed_rows_removed_at: datetime | None = None
    chunks_removed_at: datetime | None = None
    rows_superseded: int
    rows_inserted: int | None = None
    rows_updated: int | None = None
    rows_deleted: int | None = None
    rows_unchanged: int | None = None
    bytes_total: int | None
    bytes_done: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None = None
    waiting_since: datetime | None = None
    attempt: int
    error: JobError | None
    warnings: list[JobWarning]
    problem: str | None = None
    load_paths: list[JobLoadPath] | None = None
    header_changes: HeaderChanges | None = None
    duplicate_of: str | None
    outdated_by: str | None = None
    owner: str | None = None
    replay_of: str | None

    @property
    def error_code(self) -> str | None:
        """Return the stable name of why it failed, or None."""
        return self.error.code if self.error else None

    @property
    def error_message(self) -> str:
        """Return why it failed and how to fix it, or nothing."""
        return self.error.message if self.error else ""

    @property
    def is_over(self) -> bool:
        """Return whether it is in an end state."""
        return self.finished_at is not None

    @property
    def is_loaded(self) -> bool:
        """Return whether it ended well, with rejects or without."""
        return self.state in {JobState.SUCCEEDED, JobState.COMPLETED_WITH_REJECTS}


class JobFile(Document):
    """One file of a job."""

    number: int
    path: str
    size: int | None
    fingerprint: str | None
    duplicate_of: str | None
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_superseded: int


class FailedRow(Document):
    """A rejected record with its place, its text and the reason."""

    id: int
    place: int
    file: str
    line_number: int
    byte_offset: int
    raw: str
    raw_base64: str | None = None
    record_bytes: int | None = None
    kept_bytes: int | None = None
    masked: bool = False
    stage: str
    error_code: str
    column: str | None
    sqlstate: str | None
    message: str


class RowFilters(TypedDict, total=False):
    """Which failed rows: of an error code, a column, or with a text in their record or message."""

    error_code: str | None
    column: str | None
    text: str | None


class Correction(Document):
    """What somebody has made of a failed row: some of its cells, its whole record, or nothing."""

    place: int
    cells: dict[str, str | None] | None
    record: str | None
    discarded: bool
    version: int
    corrected_by: str
    corrected_at: datetime


class RuleExample(Document):
    """One row that a rule changes."""

    place: int
    line_number: int
    before: str | None
    after: str | None


class RuleResult(Document):
    """What a rule changes: `unreadable` rows cannot be cut into cells, `whole` ones are corrected otherwise."""

    rows: int
    changed: int
    unreadable: int
    whole: int
    examples: list[RuleExample]
    draft_version: str


class InspectedColumn(Document):
    """A column of a file; `column` is None for a cell that the table has no column for."""

    cell: str
    column: str | None
    type: str
    examples: list[str | None]


class InspectedReject(Document):
    """A record of a file that would be refused, and why."""

    line_number: int
    error_code: str
    column: str | None
    sqlstate: str | None
    message: str
    raw: str


class InspectedFile(Document):
    """What a file is, and the table (`ddl`) and the dataset (`name`, `definition`) proposed for it."""

    compression: str
    is_part: bool
    records: int
    format: dict[str, Any]
    columns: list[InspectedColumn]
    table: str
    table_exists: bool
    ddl: list[str]
    can_create: bool
    name: str
    definition: dict[str, Any]
    rejected: int
    rejects: list[InspectedReject]
    notes: list[str]


class CreatedTable(Document):
    """A table that was made, and the statements that were run."""

    table: str
    ddl: list[str]


class Dataset(Document):
    """A dataset: its name, its definition (a body for PUT), and what stands beside it."""

    name: str
    version: int | None = None
    paused_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    refused: str | None = None
    """What is wrong with the stored definition; nothing is loaded by it until it is corrected."""
    warnings: list[str] = []
    """What a PUT was accepted with and may not have meant."""
    definition: dict[str, Any]

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """Return the dataset that a document of the api shows, where the definition stands among the rest."""
        beside = {name: value for name, value in document.items() if name in cls.model_fields}
        rest = {name: value for name, value in document.items() if name not in beside}
        return cls.model_validate({**beside, "definition": rest})


class BackfillProblem(Document):
    """Why a day of a backfill has no job."""

    code: str
    detail: str


class BackfillDay(Document):
    """What became of one day of a backfill: a job, or the reason why there is none."""

    data_date: date
    job: Job | None
    problem: BackfillProblem | None


class Backfill(Document):
    """The days of a backfill, oldest first."""

    items: list[BackfillDay]


class Page(Document, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_page_token: str | None
