"""Define what becomes of cells before Postgres judges them: the `convert` of a dataset.

A cell that is NULL stays NULL. What is declared for a column is done in this order:

    excel_text ──► trim ──► empty_as_null ──► map ──► number, or date_format

What `map` names is done then. The entry "*" holds for every column that has none of its own; of it, the options of
numbers hold for columns of numbers alone, and `date_format` for dates and timestamps.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from libs.common.postgres.target_table import TargetColumn
from libs.common.strict_model import StrictModel

EVERY_COLUMN = "*"
_NUMBER_OPTIONS = (
    "decimal",
    "thousands",
    "trailing_minus",
    "parentheses",
    "unicode_minus",
    "currency",
)
_IN_NUMBERS = frozenset("0123456789+-eE()\u2212")
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_DATE_LETTERS, _TIME_LETTERS = frozenset("dmYybBj"), frozenset("HIMSfpz")
_YEAR, _DAY = frozenset("Yy"), frozenset("dj")
_NUMBERS = re.compile(r"(smallint|integer|bigint|numeric|real|double precision|money)\b")
_DATES = re.compile(r"(date|timestamp)\b")
_EXAMPLE = datetime(2026, 11, 24, 13, 45, 59, 123456)  # noqa: DTZ001  # no moment, only something to write


def _one_mark(mark: str) -> str:
    """Refuse a mark that numbers have for something else."""
    if not mark.isascii() or not mark.isprintable() or mark in _IN_NUMBERS or mark.isalnum():
        raise ValueError("write one ASCII character that is no digit, letter, sign or bracket")
    return mark


def _readable_format(text: str) -> str:
    """Refuse formats that do not say a whole date or time, or hold what is not read alike everywhere."""
    letters = set(_DIRECTIVE.findall(text)) - {"%"}
    unknown = sorted(letters - _DATE_LETTERS - _TIME_LETTERS)
    if unknown:
        known = " ".join(f"%{letter}" for letter in sorted(_DATE_LETTERS | _TIME_LETTERS))
        raise ValueError(f"%{unknown[0]} is not read here; use {known}, and %% for a percent sign")
    if letters & _DATE_LETTERS and not (letters & _YEAR and letters & _DAY):
        raise ValueError("a date needs its year (%Y or %y), and its month and day (%m, %d) or %j")
    if letters & _DATE_LETTERS and "d" in letters and not letters & set("mbB"):
        raise ValueError("a day (%d) needs its month (%m, %b or %B)")
    if not letters:
        raise ValueError("say how dates are written with strptime's letters, for example %d.%m.%Y")
    try:
        datetime.strptime(_EXAMPLE.strftime(text.replace("%z", "+0000")), text)  # noqa: DTZ007
    except (ValueError, re.error) as exc:
        raise ValueError(f"strptime cannot read what this format writes: {exc}") from exc
    return text


Mark = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_one_mark)]
Sign = Annotated[str, Field(min_length=1, max_length=16)]
CellText = Annotated[str, Field(max_length=1024)]
DateFormat = Annotated[
    str, Field(min_length=2, max_length=64, pattern=r"^[^\x00]+$"), AfterValidator(_readable_format)
]


class Conversion(StrictModel):
    """What becomes of the cells of one column."""

    excel_text: bool = Field(
        default=False,
        strict=True,
        description='="00123" becomes 00123, other cells stay as they are.',
    )
    trim: bool = Field(
        default=False, strict=True, description="White space around a cell's text is left out."
    )
    empty_as_null: bool = Field(
        default=False, strict=True, description="An empty text, also in quotes, becomes NULL."
    )
    map: dict[CellText, CellText | None] = Field(
        default_factory=dict,
        max_length=10_000,
        description="Text → text or null; other cells stay as they are.",
    )
    decimal: Mark | None = Field(
        None, description="What stands before the decimals; null: a point, where numbers are read."
    )
    thousands: Mark | None = Field(
        None,
        description="What stands between groups of three digits; where it is declared, so may a space, also one that"
        " does not break.",
    )
    trailing_minus: bool = Field(default=False, strict=True, description="5- means -5.")
    parentheses: bool = Field(default=False, strict=True, description="(5) means -5.")
    unicode_minus: bool = Field(default=False, strict=True, description="U+2212 means a minus.")
    currency: list[Sign] = Field(
        default_factory=list,
        max_length=100,
        description="Signs to leave out before or after a number, e.g. '€', 'EUR'.",
    )
    date_format: DateFormat | None = Field(
        None,
        description="How dates are written, in strptime's letters (%d.%m.%Y); names of months are English.",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.thousands is not None and self.thousands == (self.decimal or "."):
            raise ValueError("'decimal' and 'thousands' must differ")
        return self

    @property
    def reads_numbers(self) -> bool:
        """Return whether cells are read as numbers."""
        return bool(self._declared(_NUMBER_OPTIONS))

    @property
    def is_nothing(self) -> bool:
        """Return whether nothing is declared."""
        return self == Conversion()

    def of_kind(self, *, numbers: bool, dates: bool) -> "Conversion":
        """Return what of it holds for a column: options of numbers and dates only for columns of these kinds."""
        kept = self.model_dump()
        for name in (*(() if numbers else _NUMBER_OPTIONS), *(() if dates else ("date_format",))):
            del kept[name]
        return Conversion.model_validate(kept)

    def _declared(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(self, name) not in (None, False, [])]


def require_one_kind(convert: Mapping[str, Conversion]) -> None:
    """Raise `ValueError` where a column would be read as numbers and as dates."""
    for column, conversion in convert.items():
        if column != EVERY_COLUMN and conversion.reads_numbers and conversion.date_format:
            raise ValueError(
                f"'convert' reads column {column!r} as numbers and as dates; leave 'date_format' out, or the options "
                "of numbers"
            )


def conversion_of(convert: Mapping[str, Conversion], column: TargetColumn) -> Conversion | None:
    """Return what is declared for a column, None where nothing is."""
    found = convert.get(column.name)
    if found is None and (general := convert.get(EVERY_COLUMN)) is not None:
        found = general.of_kind(
            numbers=_NUMBERS.match(column.type) is not None,
            dates=_DATES.match(column.type) is not None,
        )
    return None if found is None or found.is_nothing else found
