"""Define which columns of a table a file fills, and how: unknown columns, added ones."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from libs.common.strict_model import StrictModel

FILE, LINE, JOB_ID, DATA_DATE, LOADED_AT = "$file", "$line", "$job_id", "$data_date", "$loaded_at"
OF_JOBS = (FILE, LINE, JOB_ID, DATA_DATE, LOADED_AT)
"""What `add` can give a column beside a constant."""
ColumnName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")]


def _known_value(text: str) -> str:
    """Refuse what looks like a value of the job and is none."""
    if re.match(r"\$(?!\$)", text) and text not in OF_JOBS:
        raise ValueError(
            f"{text!r} is none of {', '.join(OF_JOBS)}; a constant that begins with $ is written with $$"
        )
    return text


AddedValue = Annotated[
    str, Field(max_length=8192, pattern=r"^[^\x00]*$"), AfterValidator(_known_value)
]


class Rescue(StrictModel):
    """Where cells go that have no column of their own."""

    rescue: ColumnName = Field(
        description="A column of type jsonb (or json) that gets them as an object: name → text or null."
    )


UnknownColumns = Literal["fail", "ignore"] | Rescue


def constant_of(value: str) -> str:
    """Return a constant of `add` as it is written into the table."""
    return value[1:] if value.startswith("$$") else value


def require_apart(
    columns: Mapping[str, str | None], add: Mapping[str, str], unknown: UnknownColumns
) -> None:
    """Raise `ValueError` where two options fill the same column."""
    rescue = unknown.rescue if isinstance(unknown, Rescue) else None
    for cell, column in columns.items():
        if column is not None and (column in add or column == rescue):
            filled = "add" if column in add else "unknown_columns"
            raise ValueError(
                f"'columns' maps {cell!r} to {column!r}, which {filled!r} fills; map the cell to null to leave it out, "
                f"or take the column out of {filled!r}"
            )
    if rescue in add:
        raise ValueError(f"'add' and 'unknown_columns' both fill {rescue!r}; leave one of them out")


def require_read_or_added(convert: Collection[str], add: Collection[str]) -> None:
    """Raise `ValueError` where a column is both converted and filled."""
    both = [name for name in convert if name in add]
    if both:
        raise ValueError(
            f"'add' fills {both[0]!r} by itself, no cell is converted for it; leave it out of 'convert'"
        )
