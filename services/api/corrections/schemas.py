"""Define the bodies that corrections of failed rows take and give."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field, StrictBool, model_validator

from libs.common.ledger.models import Correction
from libs.common.strict_model import StrictModel
from services.api.corrections.rule_runs import Example
from services.api.corrections.rules import CellName, Rule, Text
from services.api.corrections.selection import Filter
from services.api.pagination import Page


class CorrectionBody(StrictModel):
    """What becomes of a failed row: some of its cells, its whole record, or nothing: it is discarded."""

    cells: dict[CellName, Text | None] | None = Field(
        None,
        min_length=1,
        max_length=1600,
        description="Header cell → its text, or null for NULL; cells that are left out stay as they are.",
    )
    record: Text | None = Field(
        None, min_length=1, description="The whole record as text, in the dialect of its file."
    )
    discarded: StrictBool = Field(
        default=False, description="The replay leaves the row out; the failed row stays on record."
    )
    version: int | None = Field(
        None,
        description="The version of the row's correction that you have seen; null: there was none. Of another one the "
        "request is refused: somebody was faster.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.cells is not None) + (self.record is not None) + self.discarded != 1:
            raise ValueError("give one of 'cells', 'record' and 'discarded': true")
        return self


class CorrectionDocument(BaseModel):
    """The correction of one failed row."""

    place: int
    cells: dict[str, str | None] | None
    record: str | None
    discarded: bool
    version: int = Field(description="Of this row; name it when you change the correction.")
    corrected_by: str = Field(description="Owner of the API key.")
    corrected_at: datetime

    @classmethod
    def of(cls, stored: Correction) -> Self:
        """Show a correction."""
        shown = {name: getattr(stored, name) for name in cls.model_fields if name != "place"}
        return cls(place=stored.byte_offset, **shown)


class CorrectionPage(Page[CorrectionDocument]):
    """One page of a draft."""

    draft_version: str = Field(description="Changes with each change to the draft.")


class RuleRequest(StrictModel):
    """A rule for the cells of a group of failed rows."""

    rule: Rule
    cell: CellName = Field(description="The header cell whose cells it changes.")
    where: Filter = Field(default_factory=Filter, description="Which failed rows; default: all.")
    preview: StrictBool = Field(
        default=True, description="Only tell what would change; false writes it into the draft."
    )
    examples: int = Field(5, ge=0, le=100, description="How many rows to show before and after.")
    draft_version: str | None = Field(
        None,
        max_length=64,
        description="That of the preview; to write, it must still be the draft's.",
    )

    @model_validator(mode="after")
    def _written_as_seen(self) -> Self:
        if not self.preview and self.draft_version is None:
            raise ValueError("to write, send the 'draft_version' that the preview has given")
        return self


class ExampleDocument(BaseModel):
    """One row that a rule changes."""

    place: int
    line_number: int
    before: str | None
    after: str | None

    @classmethod
    def of(cls, example: Example) -> Self:
        """Show an example."""
        row = example.row
        return cls(
            place=row.byte_offset,
            line_number=row.line_number,
            before=example.before,
            after=example.after,
        )


class RuleDocument(BaseModel):
    """What a rule changes."""

    rows: int = Field(description="Failed rows that it was given.")
    changed: int = Field(description="Of these, how many it changes.")
    unreadable: int = Field(description="How many cannot be cut into cells; correct their records.")
    whole: int = Field(description="How many are corrected as a whole, or discarded; they stay so.")
    examples: list[ExampleDocument]
    draft_version: str


class Removed(BaseModel):
    """How many corrections were taken back."""

    removed: int


class UploadedSheet(BaseModel):
    """What a sheet of corrections has changed."""

    rows: int = Field(description="Failed rows that it had.")
    changed: int = Field(description="Of these, how many corrections it has written.")
    removed: int = Field(description="How many it has taken back: the row is as it came again.")
    draft_version: str
