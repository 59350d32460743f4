"""Say what a slice of a table is: the rows of one day, which a `replace` with a `scope` replaces.

    PUT: can the column hold the day? ──► plan: order and once by slice ──► load: old rows of the slice go, others stay

The day of a timestamp with a time zone is one in the zone of the dataset's days, as `data_date` itself.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from psycopg2 import sql

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import LoadMode
from libs.common.errors import BadInput
from libs.common.postgres.target_table import TargetColumn, TargetTable

_MOMENT = re.compile(r"timestamp(?:\(\d\))? (with|without) time zone")
_TEXT = re.compile(r"text|character(?: varying)?(?:\((\d+)\))?")
_WRITTEN_DAY = len("2026-11-24")


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows whose column is of one day; `zone` is that of the dataset's days."""

    column: TargetColumn
    day: date
    zone: str

    @classmethod
    def of(cls, table: TargetTable, definition: DatasetDefinition, day: date) -> Self | None:
        """Return the slice of a job of this day, None without a scope.

        Raises `BadInput` where the column cannot hold it.
        """
        name = definition.slice_column
        if name is None:
            return None
        column = table.find_column(name)
        if column is None or column.is_generated:
            raise BadInput(
                "column-unknown",
                f"'scope' names {name!r}, which {table.name} does not have or Postgres generates; "
                f"its columns are {', '.join(each.name for each in table.columns)}",
            )
        if column.is_domain or not _can_hold_days(column.type):
            raise BadInput(
                "scope-not-possible",
                f"column {name!r} of {table.name} is of type {column.type}; 'scope' needs a date, a timestamp, "
                f"or text of at least {_WRITTEN_DAY} characters: name another column",
            )
        return cls(column, day, definition.day_zone)

    @property
    def reason(self) -> str:
        """Return why a record outside of it is refused."""
        return (
            f'column "{self.column.name}" is not of {self.day.isoformat()}, the data date of the job, '
            "which replaces the rows of that day alone ('scope')"
        )

    def condition(self) -> sql.Composed:
        """Return what holds for the rows of the slice; it is unknown where the column is NULL."""
        name, day = sql.Identifier(self.column.name), sql.Literal(self.day)
        if self.column.type == "date":
            return sql.SQL("{} = {}").format(name, day)
        moment = _MOMENT.fullmatch(self.column.type)
        if moment is None:
            return sql.SQL("{} = {}").format(name, sql.Literal(self.day.isoformat()))
        days: list[sql.Composable] = [day, sql.SQL("({} + 1)").format(day)]
        begin, end = map(self._midnight, days) if moment[1] == "with" else days
        return sql.SQL("{0} >= {1} AND {0} < {2}").format(name, begin, end)

    def _midnight(self, day: sql.Composable) -> sql.Composed:
        """Return when a day begins in the zone."""
        return sql.SQL("pg_catalog.timezone({}, {}::timestamp)").format(sql.Literal(self.zone), day)


def check_scope(table: TargetTable, definition: DatasetDefinition) -> None:
    """Raise `BadInput` where a dataset's `scope` cannot be replaced."""
    if Slice.of(table, definition, date.min) and definition.mode is not LoadMode.REPLACE:
        raise BadInput(
            "scope-not-possible",
            f"'scope' says which rows a 'replace' replaces, mode {definition.mode.value!r} replaces none; "
            "set 'mode' to 'replace', or leave 'scope' out",
        )


def _can_hold_days(type_name: str) -> bool:
    """Return whether a column of the type can hold a day, at least as it is written."""
    if type_name == "date" or _MOMENT.fullmatch(type_name):
        return True
    text = _TEXT.fullmatch(type_name)
    return text is not None and (text[1] is None or int(text[1]) >= _WRITTEN_DAY)
