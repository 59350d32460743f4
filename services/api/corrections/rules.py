"""Say what a rule makes of the cells of a group of failed rows: trim, replace, map, date format, NULL."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from libs.common.strict_model import StrictModel

_SOME_DAY = datetime(2026, 11, 27, 13, 14, 15, tzinfo=UTC)


def _storable(text: str) -> str:
    """Refuse what Postgres and the encodings cannot hold."""
    if "\0" in text:
        raise ValueError("must not hold a NUL: Postgres stores none")
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("holds half of a surrogate pair, which is no character")
    return text


def _date_form(form: str) -> str:
    """Refuse what Python reads no date by."""
    try:
        datetime.strptime(_SOME_DAY.strftime(form), form)  # noqa: DTZ007 no zone is meant
    except (ValueError, re.error) as exc:
        raise ValueError(
            f"is no form of a date, such as %d.%m.%Y or %m/%d/%y %H:%M ({exc})"
        ) from exc
    return form


MOST_CHARACTERS = 1 << 20
"""Of one cell or record of a correction."""

Text = Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(_storable)]
DateForm = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_date_form)]
CellName = Annotated[str, Field(min_length=1, max_length=1024)]


class Trim(StrictModel):
    """Take the spaces off both ends."""

    kind: Literal["trim"]

    def apply(self, cell: str | None) -> str | None:
        """Return what becomes of a cell."""
        return cell if cell is None else cell.strip()


class Replace(StrictModel):
    """Replace a text wherever it stands in the cell."""

    kind: Literal["replace"]
    find: Text = Field(min_length=1)
    by: Text = Field("", description="What stands there then.")

    def apply(self, cell: str | None) -> str | None:
        """Return what becomes of a cell."""
        return cell if cell is None else cell.replace(self.find, self.by)


class Map(StrictModel):
    """Replace whole cells by others; a cell that is not listed stays."""

    kind: Literal["map"]
    values: dict[Text, Text | None] = Field(min_length=1, max_length=1000)

    def apply(self, cell: str | None) -> str | None:
        """Return what becomes of a cell."""
        return cell if cell is None else self.values.get(cell, cell)


class DateFormat(StrictModel):
    """Write dates in another form; a cell that is not of the first form stays."""

    kind: Literal["date_format"]
    read: DateForm = Field(examples=["%d.%m.%Y"])
    write: DateForm = "%Y-%m-%d"

    def apply(self, cell: str | None) -> str | None:
        """Return what becomes of a cell."""
        if cell is None:
            return None
        try:
            return datetime.strptime(cell.strip(), self.read).strftime(self.write)  # noqa: DTZ007 no zone is meant
        except ValueError:
            return cell


class SetNull(StrictModel):
    """Make the cells NULL."""

    kind: Literal["set_null"]

    def apply(self, _cell: str | None) -> str | None:
        """Return NULL."""
        return None


Rule = Annotated[Trim | Replace | Map | DateFormat | SetNull, Field(discriminator="kind")]
