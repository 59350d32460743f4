"""Hold the closed vocabularies of the ledger: the same words in code, SQL, API, metrics and docs."""

from enum import StrEnum


class JobState(StrEnum):
    """The states of a job; see `libs.common.ledger.jobs` for the moves between them."""

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


LIVE_STATES = frozenset({JobState.QUEUED, JobState.WAITING, JobState.RUNNING})
LOADED_STATES = frozenset({JobState.SUCCEEDED, JobState.COMPLETED_WITH_REJECTS})
END_STATES = frozenset(JobState) - LIVE_STATES


class ChunkState(StrEnum):
    """The states of a chunk: `failed` means that its job must fail."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Scope(StrEnum):
    """What an API key may do: `read` GETs, `submit` what starts or stops jobs, `admin` everything."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


class AuditAction(StrEnum):
    """What the audit log keeps: every change that a person or a client makes."""

    JOB_TRIGGER = "job.trigger"
    JOB_FORCE = "job.force"
    JOB_REPLAY = "job.replay"
    JOB_CANCEL = "job.cancel"
    DATASET_PUT = "dataset.put"
    DATASET_PATCH = "dataset.patch"
    DATASET_DELETE = "dataset.delete"
    DATASET_PAUSE = "dataset.pause"
    DATASET_RESUME = "dataset.resume"
    TABLE_CREATE = "table.create"
    UPLOAD_ANNOUNCE = "upload.announce"
    FAILED_ROWS_CORRECT = "failed-rows.correct"
    KEY_CREATE = "key.create"
    KEY_REVOKE = "key.revoke"
    SESSION_BEGIN = "session.begin"
    SESSION_END = "session.end"


class Trigger(StrEnum):
    """What started a job."""

    SCHEDULE = "schedule"
    API = "api"
    UPLOAD = "upload"
    REPLAY = "replay"
    BACKFILL = "backfill"


class SourceMatch(StrEnum):
    """Which matches of a source's glob are loaded."""

    ONE = "one"
    NEWEST = "newest"
    ALL = "all"


class LoadMode(StrEnum):
    """What a job does to the target table."""

    APPEND = "append"
    UPSERT = "upsert"
    REPLACE = "replace"


class Once(StrEnum):
    """How often an append loads a content: once, or once for each data date."""

    CONTENT = "content"
    DATA_DATE = "data_date"


class AfterLoad(StrEnum):
    """What becomes of local files that were loaded."""

    KEEP = "keep"
    MOVE = "move"
    DELETE = "delete"


class OutOfOrder(StrEnum):
    """What becomes of a delivery that is older than what the table holds: it ends `outdated`, or is loaded."""

    REFUSE = "refuse"
    LOAD = "load"


class Write(StrEnum):
    """Which rows a replace or upsert writes: those that differ from what the table holds, or all."""

    CHANGED = "changed"
    ALL = "all"


class MissingColumns(StrEnum):
    """What becomes of a file that lacks columns of the last load: it is refused, or they take their default."""

    REFUSE = "refuse"
    DEFAULT = "default"


class DateOrder(StrEnum):
    """Which of day, month and year comes first in a date like 03/02/2026."""

    MDY = "MDY"
    DMY = "DMY"
    YMD = "YMD"


class HeaderMatch(StrEnum):
    """How header cells are matched to columns: as they are written, or whatever their case and spaces around them."""

    EXACT = "exact"
    CASE_INSENSITIVE = "case_insensitive"


class CatchUp(StrEnum):
    """Which missed due times are dispatched: the last one or every one."""

    LATEST = "latest"
    ALL = "all"


class LoadPath(StrEnum):
    """How most records of a load were written."""

    BLOCKS = "blocks"
    """As blocks: of binary tuples, or of text."""
    RECORDS = "records"
    """As records, many in one COPY or upsert, fewer where it breaks."""
    SINGLY = "singly"
    """Each record with an INSERT of its own."""


class WarningCode(StrEnum):
    """What was odd about a job and allowed; see `libs.common.datasets.job_warnings`."""

    AMBIGUOUS_DATES = "ambiguous-dates"
    """Of dates that their order decides, some were refused and others taken: the dataset may need a `date_order`."""
    BYTES_AFTER_END = "bytes-after-end"
    """Something follows the last member of a compressed source; it was left out."""
    DATE_LOADED_BEFORE = "date-loaded-before"
    """Another job has appended rows of this data date already; the message names it."""
    HEADER_CHANGED = "header-changed"
    """The header lacks columns that the last load had; they took their default."""
    HEADER_DRIFT = "header-drift"
    """The header has other columns than that of the last load; the message names them."""
    LINES_SKIPPED = "lines-skipped"
    """Lines were skipped that the format says are no records: comments, blank ones, repeated headers, a footer."""
    LOOKS_LIKE_UTF_8 = "looks-like-utf-8"
    """The source is valid UTF-8 beyond ASCII, but the dataset says another encoding."""
    SHRUNK = "shrunk"
    """More rows are missing than `max_shrink` allows; it was loaded by force."""
    SOURCE_KEPT = "source-kept"
    """`after_load` has not removed a file: it is in the folder `loaded`, or where it was."""


class Stage(StrEnum):
    """Where a record was rejected."""

    PARSE = "parse"
    CONVERT = "convert"
    CONSTRAINT = "constraint"


class ErrorCode(StrEnum):
    """Why a record was rejected; the stage of each code is in `STAGE_OF`."""

    MISSING_CELL = "missing-cell"
    """The record has fewer cells than the header."""
    EXTRA_CELL = "extra-cell"
    """The record has more cells than the header."""
    MALFORMED_QUOTE = "malformed-quote"
    """A quote inside an unquoted cell, text after a closing quote, or a quote that never closes."""
    BARE_CARRIAGE_RETURN = "bare-carriage-return"
    """A carriage return outside quotes that ends no line, as the header's line shows."""
    ENCODING_ERROR = "encoding-error"
    """A NUL, or bytes that are not text in the dataset's encoding."""
    LINE_TOO_LONG = "line-too-long"
    """The record is longer than `ADSP_MAX_RECORD_BYTES`."""
    TYPE_ERROR = "type-error"
    """A cell is no value of its column's type."""
    OUT_OF_RANGE = "out-of-range"
    """A number does not fit its column."""
    VALUE_TOO_LONG = "value-too-long"
    """A text is longer than its column allows."""
    CONVERSION_ERROR = "conversion-error"
    """A conversion that the dataset declares cannot read a cell."""
    NOT_NULL = "not-null"
    """A column that must have a value has none."""
    UNIQUE = "unique"
    """The key is in the table, or earlier in the file, already."""
    FOREIGN_KEY = "foreign-key"
    """The row refers to one that is not there."""
    CHECK = "check"
    """A CHECK constraint refuses the row, no partition takes it, or it is not of the slice that is replaced."""
    EXCLUSION = "exclusion"
    """An exclusion constraint refuses the row beside another one."""
    SUPPRESSED = "suppressed"
    """A BEFORE trigger of the table dropped the row."""
    OTHER = "other"
    """Another error of the row itself, such as one that a trigger raises."""


STAGE_OF: dict[ErrorCode, Stage] = {
    ErrorCode.MISSING_CELL: Stage.PARSE,
    ErrorCode.EXTRA_CELL: Stage.PARSE,
    ErrorCode.MALFORMED_QUOTE: Stage.PARSE,
    ErrorCode.BARE_CARRIAGE_RETURN: Stage.PARSE,
    ErrorCode.ENCODING_ERROR: Stage.PARSE,
    ErrorCode.LINE_TOO_LONG: Stage.PARSE,
    ErrorCode.TYPE_ERROR: Stage.CONVERT,
    ErrorCode.OUT_OF_RANGE: Stage.CONVERT,
    ErrorCode.VALUE_TOO_LONG: Stage.CONVERT,
    ErrorCode.CONVERSION_ERROR: Stage.CONVERT,
    ErrorCode.NOT_NULL: Stage.CONSTRAINT,
    ErrorCode.UNIQUE: Stage.CONSTRAINT,
    ErrorCode.FOREIGN_KEY: Stage.CONSTRAINT,
    ErrorCode.CHECK: Stage.CONSTRAINT,
    ErrorCode.EXCLUSION: Stage.CONSTRAINT,
    ErrorCode.SUPPRESSED: Stage.CONSTRAINT,
    ErrorCode.OTHER: Stage.CONSTRAINT,
}


SENT_WHOLE = frozenset({Trigger.UPLOAD, Trigger.REPLAY})
"""Their sources are files of the api, which are there as a whole or not at all."""
