"""The tables of notifications: the targets there are, and what each of them is to hear."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.ids import uuid7
from libs.common.ledger.tables.base import SCHEMA, Base


class NotificationTarget(Base):
    """A target that the workers know, by the name that datasets use; where it is stays with the workers."""

    __tablename__ = "notification_targets"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(comment="webhook, or the scheme of its Apprise URL.")


class Notification(Base):
    """What a target is to hear of an event, once."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("uq_notifications_event_target", "event_id", "target", unique=True),
        Index(
            "ix_notifications_due",
            "next_attempt_at",
            postgresql_where=text("next_attempt_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    event_id: Mapped[UUID] = mapped_column(ForeignKey(f"{SCHEMA}.events.id", ondelete="CASCADE"))
    target: Mapped[str]
    occasions: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_attempt_at: Mapped[datetime | None] = mapped_column(
        server_default=func.now(), comment="NULL: it was sent, or given up."
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(comment="Why the last attempt failed.")
