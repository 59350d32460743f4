"""The tables of access: API keys, the console's sessions, and the log of who changed what."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.ids import uuid7
from libs.common.ledger.tables.base import SCHEMA, Base


class KeyRecord(Base):
    """An API key as the ledger knows it: enough to recognise it, not enough to use it."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint(
            "array_to_string(scopes, ' ', '?') ~ "
            "'^((admin|(read|submit)(:[a-z*][a-z0-9_*-]{0,62})?)( |$))+$' AND cardinality(scopes) > 0",
            name="scopes",
        ),
        CheckConstraint("octet_length(digest) = 32", name="digest_is_sha256"),
        CheckConstraint("name <> '' AND owner <> ''", name="named"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, comment="The public part of the key.")
    name: Mapped[str] = mapped_column(comment="What it is for, to people.")
    owner: Mapped[str] = mapped_column(comment="Whose jobs it sees; several keys may share one.")
    scopes: Mapped[list[str]] = mapped_column(
        ARRAY(Text()), comment="Each for all datasets, or for those of the name behind its colon."
    )
    digest: Mapped[bytes] = mapped_column(comment="SHA-256 of the secret part.")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None] = mapped_column(comment="To within a minute.")


class SessionRecord(Base):
    """A browser in which somebody has signed in with an API key; it ends with the key."""

    __tablename__ = "sessions"
    __table_args__ = (CheckConstraint("octet_length(digest) = 32", name="digest_is_sha256"),)

    digest: Mapped[bytes] = mapped_column(primary_key=True, comment="SHA-256 of its token.")
    key_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.api_keys.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class AuditEntry(Base):
    """One change, by whom and from where; written with the change, never changed."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_who_id", "who", "id"),
        Index("ix_audit_log_action_id", "action", "id"),
        Index("ix_audit_log_object_id", "object", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    who: Mapped[str] = mapped_column(comment="Owner of the API key that was used.")
    key_id: Mapped[str | None] = mapped_column(
        comment="NULL: an api without keys, or the operator."
    )
    address: Mapped[str | None] = mapped_column(comment="Where the request came from.")
    request_id: Mapped[str | None]
    action: Mapped[str]
    object: Mapped[str] = mapped_column(comment="For example job/<id>.")
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
