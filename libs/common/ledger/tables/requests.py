"""The tables about requests: events that go out, keys of repeated requests, uploads and those sent to a bucket."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.ids import uuid7
from libs.common.ledger.tables.base import SCHEMA, Base


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


class DirectUpload(Base):
    """A file that a client sends straight to the bucket of uploads; a job may be made of it once."""

    __tablename__ = "direct_uploads"
    __table_args__ = (
        Index("ix_direct_uploads_unclaimed", "owner", postgresql_where=text("job_id IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    owner: Mapped[str | None] = mapped_column(comment="Of the API key; NULL: an api without keys.")
    dataset: Mapped[str]
    url: Mapped[str] = mapped_column(comment="Where it is sent; not signed.")
    bytes: Mapped[int] = mapped_column(comment="Its size, as was said.")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    job_id: Mapped[UUID | None] = mapped_column(
        ForeignKey(f"{SCHEMA}.jobs.id", ondelete="CASCADE"),
        index=True,
        comment="NULL: nobody has claimed it.",
    )
