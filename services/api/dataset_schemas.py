"""Define the bodies that tell of a dataset: its definition, what stands beside it, and its versions."""

import operator
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.stored_definition import describe_refusal, parse_stored
from libs.common.ledger.models import Dataset, DatasetVersion


class _Beside(BaseModel):
    """What is shown of a dataset beside its definition."""

    name: str
    version: int = Field(description="Of the definition: GET /v1/datasets/{name}/versions.")
    paused_at: datetime | None = Field(
        description="Since when no due time makes a job; null: each does."
    )
    created_at: datetime
    updated_at: datetime = Field(description="When its definition was last changed.")


class DatasetDocument(DatasetDefinition, _Beside):
    """A dataset: its name, its definition, and what became of it."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ChangedDatasetDocument(DatasetDocument):
    """A dataset as it was put or patched, with what was odd about that."""

    warnings: list[str] = Field(
        default_factory=list,
        exclude_if=operator.not_,
        description="What may fail its jobs, as far as the catalog tells: what triggers write without having the right."
        " Only where there is something to say.",
    )


class RefusedDatasetDocument(_Beside):
    """A dataset whose definition was stored before a rule that refuses it now.

    The definition's fields stand here as they are stored. Nothing is loaded by it until it is corrected.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    refused: str = Field(description="What is wrong with the stored definition.")


AnyDatasetDocument = DatasetDocument | RefusedDatasetDocument


def describe_dataset(dataset: Dataset) -> AnyDatasetDocument:
    """Show a dataset as it is stored."""
    beside: dict[str, Any] = {
        "name": dataset.name,
        "version": dataset.version,
        "paused_at": dataset.paused_at,
        "created_at": dataset.created_at,
        "updated_at": dataset.updated_at,
    }
    parsed = parse_stored(dataset.definition)
    if isinstance(parsed, DatasetDefinition):
        return DatasetDocument(**parsed.model_dump(), **beside)
    return RefusedDatasetDocument(
        **{**dataset.definition, **beside}, refused=describe_refusal(parsed)
    )


class DatasetVersionDocument(BaseModel):
    """A definition that a dataset has or had."""

    version: int = Field(description="From 1; each change of the definition makes the next one.")
    created_at: datetime
    definition: dict[str, Any] = Field(description="As it was stored: a body for PUT.")

    @classmethod
    def of(cls, version: DatasetVersion) -> Self:
        """Show a version."""
        return cls(
            version=version.version, created_at=version.created_at, definition=version.definition
        )
