"""Say of many rows what Postgres says of one: the verdicts of NOT NULL, CHECK and a unique key.

Its message names the constraint, its detail the values of the row or of its key. The words around the values are taken
from the first refusal of each constraint, which comes from an INSERT of that very record; if the values do not stand in
it as they are put together here, every record of that constraint is judged by an INSERT of its own.
"""

from collections.abc import Sequence

from services.loader.rejects.rejection import Rejection
from services.loader.rejects.texts import Messages, Texts

_MOST_BYTES = 64
"""Of a value in an error's detail (ExecBuildSlotValueDescription in src/backend/executor/execMain.c)."""


class ConstraintMessages:
    """The words of each constraint, as far as they are known."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[int, tuple[str, Rejection, str] | None] = {}

    def learn_template(self, constraint: int, values: str, refusal: Rejection) -> None:
        """Take the words around the values from a refusal by this constraint."""
        before, found, after = refusal.message.rpartition(values)
        self._known.setdefault(constraint, (before, refusal, after) if found else None)

    def is_known(self, constraint: int) -> bool:
        """Return whether refusals by this constraint can be worded."""
        return self._known.get(constraint) is not None

    def is_unknowable(self, constraint: int) -> bool:
        """Return whether the words were looked for in vain."""
        return constraint in self._known and self._known[constraint] is None

    def format(self, constraint: int, values: Texts) -> tuple[Rejection, Messages]:
        """Return the first refusal, whose reason is that of all, and what is said of rows with these values."""
        known = self._known[constraint]
        if known is None:
            raise KeyError(constraint)
        before, first, after = known
        return first, Messages.around(before, values, after)


def describe(values: Sequence[str | None]) -> str:
    """Return a row as it stands in the detail of an error."""
    return f"({', '.join(['null' if value is None else _clip(value) for value in values])})"


def _clip(value: str) -> str:
    """Return a value with at most 64 bytes, cut between characters."""
    if len(value) * 4 <= _MOST_BYTES or len(encoded := value.encode()) <= _MOST_BYTES:
        return value
    return encoded[:_MOST_BYTES].decode(errors="ignore") + "..."
