"""The table of jobs."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ForeignKey,
    Integer,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import JobState, Trigger
from libs.common.ids import uuid7
from libs.common.ledger.tables.base import SCHEMA, Base, RowChanges, words
from libs.common.ledger.tables.job_constraints import CONSTRAINTS


class Job(RowChanges, Base):
    """One load of one source for one dataset and data date."""

    __tablename__ = "jobs"
    # An insert returns what the database fills in: a new job is whole without being read again.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - SQLAlchemy's own name and form
    __table_args__ = CONSTRAINTS

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    dataset: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.datasets.name"))
    definition: Mapped[dict[str, Any]] = mapped_column(
        comment="The dataset's definition when the job was made."
    )
    definition_version: Mapped[int] = mapped_column(
        Integer, comment="The dataset's version that the job was made under."
    )
    data_date: Mapped[date]
    source: Mapped[str] = mapped_column(
        comment="As requested or expanded from the dataset's pattern."
    )
    trigger: Mapped[Trigger] = mapped_column(words(Trigger, "trigger"))
    due_at: Mapped[datetime | None]
    force: Mapped[bool] = mapped_column(server_default=text("false"))
    dry_run: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="It is judged as a load and leaves no row."
    )
    state: Mapped[JobState] = mapped_column(
        words(JobState, "state"), server_default=JobState.QUEUED.value
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
        " unread:<id>, until a loader has read it."
    )
    header: Mapped[list[str] | None] = mapped_column(
        ARRAY(Text()), comment="Cells of the source's header, set by plan."
    )
    header_end: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True),
        comment="Where the records begin behind the header, set by plan; NULL: not known, the file tells.",
    )
    header_changes: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True),
        comment="How its header differs from that of the last load, set by plan; NULL: it does not.",
    )
    rows_before: Mapped[int | None] = mapped_column(
        comment="Rows of the load before, set by plan; NULL when there was none."
    )
    chunks_at_once: Mapped[int | None] = mapped_column(
        Integer,
        comment="Most chunks under way; 1: they are loaded in their order. NULL: all, in any order.",
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
        comment="The sweeper sends plan again after this time; NULL: never, or once it has a place.",
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
        comment="Whether it is known that no replay can load its failed rows any more.",
    )
    failed_rows_removed_at: Mapped[datetime | None] = mapped_column(
        comment="When its failed rows were removed since they were kept long enough; NULL: they are there."
    )
    chunks_removed_at: Mapped[datetime | None] = mapped_column(
        comment="When its chunks were removed since they were kept long enough; NULL: what there was is there."
    )

    def parsed_definition(self) -> DatasetDefinition:
        """Return the definition that the job was made under as its typed form."""
        return DatasetDefinition.model_validate(self.definition)
