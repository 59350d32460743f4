"""The tables of datasets: the current definition of each, and all that it has had."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Integer,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.stored_definition import describe_refusal, parse_stored
from libs.common.errors import BadInput
from libs.common.ledger.tables.base import SCHEMA, Base


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
