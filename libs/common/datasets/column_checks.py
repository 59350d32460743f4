"""Refuse what a dataset says about columns that its table does not have, or that cannot be filled so."""

from collections.abc import Iterable

from libs.common.datasets.conversions import EVERY_COLUMN
from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import BadInput
from libs.common.postgres.target_table import TargetTable

_DOCUMENTS = frozenset({"jsonb", "json"})


def check_columns(table: TargetTable, definition: DatasetDefinition) -> None:
    """Raise `BadInput` (column-unknown, column-not-possible) unless the table can be filled as declared."""
    for cell, column in definition.columns.items():
        if column is not None:
            _require_loadable(table, column, f"'columns' maps {cell!r} to {column!r}")
    for option, names in _named(definition):
        for name in names:
            _require_loadable(table, name, f"{option!r} names {name!r}")
    rescue = table.find_column(definition.rescue_column or "")
    if rescue is not None and rescue.type not in _DOCUMENTS:
        raise BadInput(
            "column-not-possible",
            f"'unknown_columns' puts cells as an object into {rescue.name!r}, which is of type {rescue.type} in "
            f"{table.name}; name a column of type jsonb",
        )


def _named(definition: DatasetDefinition) -> Iterable[tuple[str, Iterable[str]]]:
    """Yield the options that name columns, with these."""
    yield "convert", (name for name in definition.convert if name != EVERY_COLUMN)
    yield "add", definition.add
    yield "masked_columns", definition.masked_columns
    yield "unknown_columns", filter(None, [definition.rescue_column])


def _require_loadable(table: TargetTable, name: str, said: str) -> None:
    column = table.find_column(name)
    if column is None or column.is_generated:
        loadable = ", ".join(each.name for each in table.columns if not each.is_generated)
        raise BadInput(
            "column-unknown",
            f"{said}, which {table.name} does not have or Postgres generates; its columns are {loadable}",
        )
