"""Declare the ledger: what ADSP knows about datasets, jobs, chunks and failed rows.

Postgres is the truth; messages and Redis only speed things up. The constraints here carry the promises:
counts add up, content is loaded once, a due time makes one job. The migrations create exactly this
schema, and a test compares the two. They stand in a schema of their own, beside the tables of the
people who use the database.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BLANK_SCHEMA,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from libs.common.datasets.definition import DatasetDefinition, describe_refusal, parse_stored
from libs.common.enums import ChunkState, ErrorCode, JobState, Stage, Trigger
from libs.common.errors import BadInput
from libs.common.ids import uuid7

SCHEMA = "adsp"
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The metadata of every table that the migrations make."""

    metadata = MetaData(schema=SCHEMA, naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        date: Date(),
        str: Text(),
        int: BigInteger(),
        bytes: LargeBinary(),
        UUID: Uuid(),
        dict[str, Any]: JSONB(),
        list[dict[str, Any]]: JSONB(),
    }


def _words(vocabulary: type[StrEnum], name: str) -> Enum:
    """Store a word of a closed vocabulary as text under a CHECK."""
    return Enum(
        vocabulary,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=None,
        values_callable=lambda words: [word.value for word in words],
    )


class Dataset(Base):
    """A named feed with its current definition."""

    __tablename__ = "datasets"

    name: Mapped[str] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]]
    last_due_at: Mapped[datetime | None] = mapped_column(
        comment="Due times up to here have been dispatched; NULL without a schedule."
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    version: Mapped[int] = mapped_column(
        Integer,
        server_default=text("1"),
        comment="Number of the current definition in dataset_versions; a trigger counts.",
    )
    paused_at: Mapped[datetime | None] = mapped_column(
        comment="Since when no due time makes a job; NULL: each does."
    )
    deleted_at: Mapped[datetime | None] = mapped_column(
        comment="When it was deleted; the row stays for its jobs and versions."
    )

    def parsed(self) -> DatasetDefinition:
        """Return the definition as its typed form; raises `BadInput` when today's rules refuse it."""
        parsed = parse_stored(self.definition)
        if isinstance(parsed, DatasetDefinition):
            return parsed
        raise BadInput(
            "definition-refused",
            f"the stored definition of dataset {self.name!r} is refused by now ({describe_refusal(parsed)}); "
            f"correct it with PATCH or PUT /v1/datasets/{self.name}",
        ) from parsed


class DatasetVersion(Base):
    """A definition that a dataset has or had: written by a trigger, never changed."""

    __tablename__ = "dataset_versions"

    dataset: Mapped[str] = mapped_column(
        ForeignKey(f"{SCHEMA}.datasets.name", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    definition: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


_APPENDED = (
    "state IN ('running', 'succeeded', 'completed_with_rejects') AND NOT force "
    "AND (definition ->> 'mode' = 'append' OR replay_of IS NOT NULL)"
)


class Job(Base):
    """One load of one source for one dataset and data date."""

    __tablename__ = "jobs"
    # An insert returns what the database fills in: a new job is whole without being read again.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - SQLAlchemy's own name and form
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'waiting', 'running') OR "
            "rows_read = rows_loaded + rows_rejected + rows_superseded",
            name="accounted",
        ),
        CheckConstraint(
            "rows_read >= 0 AND rows_loaded >= 0 AND rows_rejected >= 0 AND rows_superseded >= 0 "
            "AND bytes_done >= 0",
            name="counts_not_negative",
        ),
        CheckConstraint(
            "(state IN ('queued', 'waiting', 'running')) = (finished_at IS NULL)",
            name="finished_has_time",
        ),
        CheckConstraint("(state = 'failed') = (error_code IS NOT NULL)", name="failed_has_error"),
        CheckConstraint("(error_code IS NULL) = (error_message IS NULL)", name="error_has_message"),
        CheckConstraint(
            "(state = 'duplicate') = (duplicate_of IS NOT NULL)", name="duplicate_names_original"
        ),
        CheckConstraint(
            "(state = 'outdated') = (outdated_by IS NOT NULL)", name="outdated_names_newer"
        ),
        CheckConstraint(
            "state <> 'waiting' OR waiting_since IS NOT NULL", name="waiting_has_start"
        ),
        CheckConstraint(
            "(trigger = 'schedule') = (due_at IS NOT NULL)", name="schedule_has_due_time"
        ),
        CheckConstraint(
            "state <> 'succeeded' OR rows_rejected = 0", name="succeeded_without_rejects"
        ),
        ForeignKeyConstraint(
            ["dataset", "definition_version"],
            [f"{SCHEMA}.dataset_versions.dataset", f"{SCHEMA}.dataset_versions.version"],
        ),
        UniqueConstraint("dataset", "due_at", name="uq_jobs_dataset_due_at"),
        Index(
            "uq_jobs_live_schedule",
            "dataset",
            "data_date",
            "source",
            unique=True,
            postgresql_where=text(
                "trigger = 'schedule' AND state IN ('queued', 'waiting', 'running')"
            ),
        ),
        Index(
            "uq_jobs_appended_once",
            "dataset",
            "fingerprint",
            unique=True,
            postgresql_where=text(
                f"{_APPENDED} AND definition ->> 'once' IS DISTINCT FROM 'data_date'"
            ),
        ),
        Index(
            "uq_jobs_appended_once_a_day",
            "dataset",
            "fingerprint",
            "data_date",
            unique=True,
            postgresql_where=text(f"{_APPENDED} AND definition ->> 'once' = 'data_date'"),
        ),
        Index(
            "uq_jobs_content_running",
            "dataset",
            "fingerprint",
            unique=True,
            postgresql_where=text(
                "state = 'running' AND NOT force"
                " AND definition ->> 'once' IS DISTINCT FROM 'data_date'"
            ),
        ),
        Index(
            "ix_jobs_dataset_fingerprint",
            "dataset",
            "fingerprint",
            postgresql_where=text("fingerprint IS NOT NULL"),
        ),
        Index(
            "ix_jobs_duplicate_of",
            "duplicate_of",
            postgresql_where=text("duplicate_of IS NOT NULL"),
        ),
        Index(
            "ix_jobs_outdated_by",
            "outdated_by",
            postgresql_where=text("outdated_by IS NOT NULL"),
        ),
        Index(
            "ix_jobs_delivered",
            "dataset",
            "data_date",
            postgresql_where=text("state IN ('succeeded', 'completed_with_rejects', 'duplicate')"),
        ),
        Index(
            "ix_jobs_unfinished", "next_attempt_at", postgresql_where=text("finished_at IS NULL")
        ),
        Index(
            "ix_jobs_files_due", "files_due_at", postgresql_where=text("files_due_at IS NOT NULL")
        ),
        Index("ix_jobs_dataset_id", "dataset", "id"),
        Index(
            "ix_jobs_finished",
            "dataset",
            "finished_at",
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        Index(
            "ix_jobs_loaded",
            "dataset",
            "finished_at",
            postgresql_where=text(
                "state IN ('succeeded', 'completed_with_rejects', 'duplicate')"
                " AND trigger <> 'replay'"
            ),
        ),
        Index(
            "ix_jobs_snapshots",
            "dataset",
            "finished_at",
            postgresql_where=text(
                "state IN ('succeeded', 'completed_with_rejects')"
                " AND definition ->> 'mode' = 'replace'"
            ),
        ),
        Index(
            "ix_jobs_unsettled",
            "dataset",
            "finished_at",
            postgresql_where=text(
                "finished_at IS NOT NULL AND rows_rejected > 0 AND NOT failed_rows_settled"
            ),
        ),
        Index("ix_jobs_replay_of", "replay_of", postgresql_where=text("replay_of IS NOT NULL")),
        Index("ix_jobs_owner_id", "owner", "id", postgresql_where=text("owner IS NOT NULL")),
        Index("ix_jobs_state_id", "state", "id"),
        Index("ix_jobs_trigger_id", "trigger", "id"),
        Index("ix_jobs_data_date_id", "data_date", "id"),
        Index(
            "ix_jobs_owner_unfinished",
            "owner",
            postgresql_where=text("owner IS NOT NULL AND finished_at IS NULL"),
        ),
        Index(
            "ix_jobs_owner_rejected",
            "owner",
            "id",
            postgresql_where=text("owner IS NOT NULL AND rows_rejected > 0"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    dataset: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.datasets.name"))
    definition: Mapped[dict[str, Any]] = mapped_column(
        comment="The dataset's definition when the job was made."
    )
    definition_version: Mapped[int | None] = mapped_column(
        Integer,
        comment="The dataset's version that the job was made under.",
    )
    data_date: Mapped[date]
    source: Mapped[str] = mapped_column(
        comment="As requested or expanded from the dataset's pattern."
    )
    trigger: Mapped[Trigger] = mapped_column(_words(Trigger, "trigger"))
    due_at: Mapped[datetime | None]
    force: Mapped[bool] = mapped_column(server_default=text("false"))
    state: Mapped[JobState] = mapped_column(
        _words(JobState, "state"), server_default=JobState.QUEUED.value
    )
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    request_id: Mapped[str | None]
    owner: Mapped[str | None] = mapped_column(
        comment="Owner of the API key that made it; NULL: the schedule, or an api without keys."
    )
    replay_of: Mapped[UUID | None] = mapped_column(ForeignKey(f"{SCHEMA}.jobs.id"))
    duplicate_of: Mapped[UUID | None] = mapped_column(ForeignKey(f"{SCHEMA}.jobs.id"))
    outdated_by: Mapped[UUID | None] = mapped_column(
        ForeignKey(f"{SCHEMA}.jobs.id"), comment="The newer delivery that the table holds."
    )

    source_path: Mapped[str | None] = mapped_column(comment="Resolved path, set by plan.")
    source_mtime_ns: Mapped[int | None] = mapped_column(comment="Modification time at plan, ns.")
    fingerprint: Mapped[str | None] = mapped_column(
        comment="SHA-256 of the source's bytes, hex; of a replay, with the job that it replays."
    )
    header: Mapped[list[str] | None] = mapped_column(
        ARRAY(Text()), comment="Cells of the source's header, set by plan."
    )
    rows_before: Mapped[int | None] = mapped_column(
        comment="Rows of the load before, set by plan; NULL when there was none."
    )
    chunks_at_once: Mapped[int | None] = mapped_column(
        Integer,
        comment="Most chunks under way, which end in their order; NULL: all, in any order.",
    )
    bytes_total: Mapped[int | None] = mapped_column(comment="Size of the source as stored, bytes.")
    bytes_done: Mapped[int] = mapped_column(server_default=text("0"))
    rows_read: Mapped[int] = mapped_column(server_default=text("0"))
    rows_loaded: Mapped[int] = mapped_column(server_default=text("0"))
    rows_rejected: Mapped[int] = mapped_column(server_default=text("0"))
    rows_superseded: Mapped[int] = mapped_column(server_default=text("0"))
    rejected_by_code: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"), comment="Failed rows by error code, counted at the job's end."
    )
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(
        server_default=text("'[]'"),
        comment="What was odd and allowed; at its end with its chunks'.",
    )

    attempt: Mapped[int] = mapped_column(
        Integer, server_default=text("0"), comment="Times that planning was begun."
    )
    published_at: Mapped[datetime | None] = mapped_column(comment="Last confirmed publish of plan.")
    next_attempt_at: Mapped[datetime | None] = mapped_column(
        server_default=func.now(),
        comment="The sweeper sends plan again after this time; NULL: never.",
    )
    waiting_since: Mapped[datetime | None] = mapped_column(
        comment="When it began to wait for its source; kept once that has come."
    )
    seen_identity: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True),
        comment="With settle: the files as they were first seen unchanged, and when. From plan on: device and inode.",
    )
    known_content: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True),
        comment="Fingerprint of the source of a job that had to wait for another, and what the file was then.",
    )
    files_due_at: Mapped[datetime | None] = mapped_column(
        comment="The job's files are moved or deleted after this time (after_load); NULL: nothing is left to do."
    )
    cancel_requested_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    failed_rows_settled: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="Whether the sweep has seen that no replay can load its failed rows any more.",
    )

    def parsed_definition(self) -> DatasetDefinition:
        """Return the definition that the job was made under as its typed form."""
        return DatasetDefinition.model_validate(self.definition)


class JobFile(Base):
    """One file of a job over several (`match: all`); its counts are written with its rows."""

    __tablename__ = "job_files"
    __table_args__ = (
        CheckConstraint(
            "rows_read = rows_loaded + rows_rejected + rows_superseded", name="accounted"
        ),
        Index("ix_job_files_fingerprint", "fingerprint"),
        Index("ix_job_files_path", "path", postgresql_using="hash"),
    )

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.jobs.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="From 0, in the order in which they are loaded: by path.",
    )
    path: Mapped[str]
    size: Mapped[int] = mapped_column(comment="As stored, bytes.")
    mtime_ns: Mapped[int] = mapped_column(comment="Modification time at plan, ns.")
    inode: Mapped[str] = mapped_column(comment="Device and inode at plan.")
    fingerprint: Mapped[str] = mapped_column(comment="SHA-256 of the file's bytes, hex.")
    duplicate_of: Mapped[UUID | None] = mapped_column(
        comment="The job that has loaded the file; NULL: this one does."
    )
    rows_read: Mapped[int] = mapped_column(server_default=text("0"))
    rows_loaded: Mapped[int] = mapped_column(server_default=text("0"))
    rows_rejected: Mapped[int] = mapped_column(server_default=text("0"))
    rows_superseded: Mapped[int] = mapped_column(server_default=text("0"))


class Chunk(Base):
    """A byte range of a job's source, cut at a record boundary; the unit of parallel work."""

    __tablename__ = "chunks"
    __table_args__ = (
        CheckConstraint(
            "rows_read = rows_loaded + rows_rejected + rows_superseded", name="accounted"
        ),
        CheckConstraint("byte_end IS NULL OR byte_end >= byte_start", name="range_is_forward"),
        CheckConstraint("(state = 'failed') = (error_code IS NOT NULL)", name="failed_has_error"),
        Index(
            "ix_chunks_unfinished", "next_attempt_at", postgresql_where=text("finished_at IS NULL")
        ),
    )

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.jobs.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, comment="From 0, in file order."
    )
    byte_start: Mapped[int] = mapped_column(
        comment="Offset of the first record, decompressed bytes."
    )
    byte_end: Mapped[int | None] = mapped_column(
        comment="Offset after the last record; NULL: the end."
    )
    first_line: Mapped[int] = mapped_column(comment="Physical line of the first record, from 1.")
    digest: Mapped[str | None] = mapped_column(
        comment="SHA-256 of the source's header and these bytes, as stored, hex, at plan; NULL: job_files has them."
    )
    state: Mapped[ChunkState] = mapped_column(
        _words(ChunkState, "state"), server_default=ChunkState.QUEUED.value
    )
    error_code: Mapped[str | None]
    error_message: Mapped[str | None] = mapped_column(
        comment="Why it failed; until it has ended, why its last attempt did."
    )
    rows_read: Mapped[int] = mapped_column(server_default=text("0"))
    rows_loaded: Mapped[int] = mapped_column(server_default=text("0"))
    rows_rejected: Mapped[int] = mapped_column(server_default=text("0"))
    rows_superseded: Mapped[int] = mapped_column(server_default=text("0"))
    bytes_done: Mapped[int] = mapped_column(server_default=text("0"))
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(
        server_default=text("'[]'"), comment="What was odd about the load and allowed."
    )
    load_path: Mapped[str | None] = mapped_column(
        comment="How its records were written: blocks, records or singly; NULL: not loaded."
    )
    load_path_reason: Mapped[str | None] = mapped_column(
        comment="Why not all of them as blocks, the fastest way."
    )
    attempt: Mapped[int] = mapped_column(
        Integer, server_default=text("0"), comment="Times that loading was begun."
    )
    published_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None] = mapped_column(
        comment="The sweeper sends the chunk after this time; NULL: it waits for its turn or runs."
    )
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    lock_waits: Mapped[int] = mapped_column(
        Integer,
        server_default=text("0"),
        comment="Attempts that ended because a lock was not available; they are not held against it.",
    )
    taken_from: Mapped[UUID | None] = mapped_column(
        comment="The job that had loaded it, with which it is counted; NULL: this job."
    )


class ChunkLease(Base):
    """Who loads a chunk now, until when, and how far it is.

    A table of its own because the heartbeat writes here every few seconds, on a second connection. No foreign key:
    a renewal must not wait for whoever has the chunk's row locked.
    """

    __tablename__ = "chunk_leases"

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    chunk_number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    holder: Mapped[str] = mapped_column(comment="Host, process and a random part of the loader.")
    backend_pid: Mapped[int] = mapped_column(
        Integer, comment="Postgres backend of the loading transaction."
    )
    backend_start: Mapped[datetime] = mapped_column(
        comment="Start of that backend, so that a reused pid is never ended."
    )
    expires_at: Mapped[datetime]
    bytes_done: Mapped[int] = mapped_column(server_default=text("0"))
    rows_read: Mapped[int] = mapped_column(server_default=text("0"))
    progressed_at: Mapped[datetime] = mapped_column(
        server_default=func.now(),
        comment="When the load last got on; a lease is renewed also while it waits.",
    )


_PLACE = "in the decompressed source; of file n of several (job_files), n << 40 more."


class FailedRow(Base):
    """A rejected record with its place, its bytes and the reason.

    No foreign key looks at each of them; a trigger deletes those of chunks that are deleted.
    Nor has `id` an index: a load may write a million of them, and nobody looks for one by its number.
    """

    __tablename__ = "failed_rows"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "byte_offset"),
        Index("ix_failed_rows_cut", "job_id", postgresql_where=text("record_bytes IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True))
    job_id: Mapped[UUID]
    chunk_number: Mapped[int] = mapped_column(Integer)
    line_number: Mapped[int] = mapped_column(
        comment=f"Physical line it starts on, from 1, {_PLACE}"
    )
    byte_offset: Mapped[int] = mapped_column(comment=f"Of its first byte {_PLACE}")
    raw: Mapped[bytes] = mapped_column(comment="Its bytes without the line end, or their start.")
    record_bytes: Mapped[int | None] = mapped_column(
        comment="Its length with the line end where raw is only its start; NULL: raw is all of it."
    )
    stage: Mapped[Stage] = mapped_column(_words(Stage, "stage"))
    error_code: Mapped[ErrorCode] = mapped_column(_words(ErrorCode, "error_code"))
    column_name: Mapped[str | None]
    sqlstate: Mapped[str | None]
    message: Mapped[str]


class JobCounter(Base):
    """How many jobs have ended and what became of their records; a trigger adds each at its end.

    It never goes down, whatever jobs are deleted, and reading it costs the same however many there were.
    """

    __tablename__ = "job_counters"

    dataset: Mapped[str] = mapped_column(primary_key=True)
    trigger: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[int]
    rows_read: Mapped[int]
    rows_loaded: Mapped[int]
    rows_rejected: Mapped[int]
    rows_superseded: Mapped[int]
    bytes: Mapped[int] = mapped_column(comment="Of the sources, as stored.")
    unaccounted: Mapped[int] = mapped_column(comment="Records that went nowhere; must be 0.")


class FailedRowCounter(Base):
    """How many failed rows ended jobs have had, by reason."""

    __tablename__ = "failed_row_counters"

    dataset: Mapped[str] = mapped_column(primary_key=True)
    error_code: Mapped[str] = mapped_column(primary_key=True)
    failed_rows: Mapped[int]


class Event(Base):
    """An event that waits to be published: the outbox row of a job's end, or of its being late."""

    __tablename__ = "events"
    __table_args__ = (
        Index(
            "ix_events_unpublished",
            "next_attempt_at",
            postgresql_where=text("published_at IS NULL"),
        ),
        Index("ix_events_job_id", "job_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    job_id: Mapped[UUID] = mapped_column(ForeignKey(f"{SCHEMA}.jobs.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(comment="Routing key, for example job.succeeded.")
    payload: Mapped[dict[str, Any]]
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    published_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """The answer that a POST with this key was given."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(
        primary_key=True, comment="Method and path of the request, and the owner of its API key."
    )
    request_hash: Mapped[str] = mapped_column(
        comment="SHA-256 of the request that came with it, hex."
    )
    job_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.jobs.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Upload(Base):
    """A file in the upload area that counts for an owner, until retention has removed it."""

    __tablename__ = "uploads"

    folder: Mapped[UUID] = mapped_column(primary_key=True, comment="Its folder's name.")
    owner: Mapped[str] = mapped_column(index=True)
    bytes: Mapped[int] = mapped_column(comment="Size of the file as stored.")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class KeyRecord(Base):
    """An API key as the ledger knows it: enough to recognise it, not enough to use it."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint(
            "scopes <@ ARRAY['read', 'submit', 'admin'] AND cardinality(scopes) > 0", name="scopes"
        ),
        CheckConstraint("octet_length(digest) = 32", name="digest_is_sha256"),
        CheckConstraint("name <> '' AND owner <> ''", name="named"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, comment="The public part of the key.")
    name: Mapped[str] = mapped_column(comment="What it is for, to people.")
    owner: Mapped[str] = mapped_column(comment="Whose jobs it sees; several keys may share one.")
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    digest: Mapped[bytes] = mapped_column(comment="SHA-256 of the secret part.")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None] = mapped_column(comment="To within a minute.")


items = Table(
    "items",
    Base.metadata,
    Column("sku", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("price", Numeric(12, 2), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("price >= 0", name="price"),
    CheckConstraint("quantity >= 0", name="quantity"),
    schema=BLANK_SCHEMA,
    comment="The sample target table.",
)
