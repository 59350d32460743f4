"""The tables of what a job loads: its files, its chunks, and who loads a chunk."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.enums import ChunkState
from libs.common.ledger.tables.base import SCHEMA, Base, RowChanges, words


class JobFile(Base):
    """One file of a job over several (`match: all`); its counts are written with its rows."""

    __tablename__ = "job_files"
    __table_args__ = (
        CheckConstraint(
            "rows_read = rows_loaded + rows_rejected + rows_superseded", name="accounted"
        ),
        Index("ix_job_files_fingerprint", "fingerprint"),
        Index("ix_job_files_size", "size"),
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
    header_end: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True),
        comment="Where the records begin behind the header, set by plan; NULL: not known, the file tells.",
    )
    rows_read: Mapped[int] = mapped_column(server_default=text("0"))
    rows_loaded: Mapped[int] = mapped_column(server_default=text("0"))
    rows_rejected: Mapped[int] = mapped_column(server_default=text("0"))
    rows_superseded: Mapped[int] = mapped_column(server_default=text("0"))


class Chunk(RowChanges, Base):
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
        " unread, until a loader has read them."
    )
    state: Mapped[ChunkState] = mapped_column(
        words(ChunkState, "state"), server_default=ChunkState.QUEUED.value
    )
    error_code: Mapped[str | None]
    error_message: Mapped[str | None] = mapped_column(
        comment="Why it failed; until it has ended, why its last attempt did."
    )
    rows_read: Mapped[int] = mapped_column(server_default=text("0"))
    rows_loaded: Mapped[int] = mapped_column(server_default=text("0"))
    rows_rejected: Mapped[int] = mapped_column(server_default=text("0"))
    rows_superseded: Mapped[int] = mapped_column(server_default=text("0"))
    rejected_by_code: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="Failed rows by error code; NULL: not known."
    )
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
