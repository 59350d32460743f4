"""The table of corrections: what people have made of failed rows, until a replay loads it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.ledger.tables.base import SCHEMA, Base


class Correction(Base):
    """The draft for one failed row, found by the row's place; the last one who wrote it is named.

    The key of failed rows is not referred to: deleting a million of them would look for each here (decision 57).
    """

    __tablename__ = "corrections"
    __table_args__ = (
        CheckConstraint(
            "num_nonnulls(cells, record) + CAST(discarded AS integer) = 1", name="one_kind"
        ),
        CheckConstraint("jsonb_typeof(cells) = 'object'", name="cells_by_name"),
    )

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.jobs.id", ondelete="CASCADE"), primary_key=True
    )
    byte_offset: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="Of the failed row, as it is kept there."
    )
    cells: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="Header cell → its text, or null; the others stay."
    )
    record: Mapped[str | None] = mapped_column(comment="The whole record as text.")
    discarded: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="A replay leaves the row out."
    )
    version: Mapped[int] = mapped_column(
        Identity(always=True), comment="Another one after each change, never one that was."
    )
    corrected_by: Mapped[str] = mapped_column(comment="Owner of the API key that was used.")
    corrected_at: Mapped[datetime] = mapped_column(server_default=func.now())
