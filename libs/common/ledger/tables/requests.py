"""The tables about requests: events that go out, keys of repeated requests, uploads, API keys."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
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
