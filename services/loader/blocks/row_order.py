"""Say what depends on the order in which the rows of a block are written."""

from collections.abc import Sequence
from enum import Enum, auto

from libs.common.enums import LoadMode
from libs.common.postgres.target_table import TargetColumn, TargetTable


class RowOrder(Enum):
    """What the order of writing may change."""

    FREE = auto()
    """Nothing."""
    FATE = auto()
    """Whether a record is refused: that may depend on those before it."""
    NUMBERS = auto()
    """What Postgres gives to columns that the file lacks: it may count the rows as they are written."""
    BY_LINE = auto()
    """Nothing: rows are staged with their lines, and written in that order."""

    @classmethod
    def of(cls, table: TargetTable, columns: Sequence[TargetColumn], mode: LoadMode) -> "RowOrder":
        """Return it for a load of these columns; where it changes numbers, what else it changes does not matter."""
        if mode is LoadMode.UPSERT:
            return cls.BY_LINE
        if table.has_sequence_defaults(columns):
            return cls.NUMBERS
        return cls.FATE if table.has_order_dependent_constraints else cls.FREE
