"""Propose a table and a dataset for a file that was inspected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as Connection  # a class in lower case
from psycopg2.extensions import quote_ident

from libs.common.datasets.definition import DatasetDefinition
from services.api.inspection.inspect_file import Inspection, format_of
from services.api.inspection.names import column_names, source_pattern

LOADER = "adsp_loader"
_DEFAULT_NULL = ""


@dataclass(frozen=True)
class ProposedColumn:
    """A column for a header cell; without a name the cell is left out."""

    cell: str
    name: str | None
    type: str


@dataclass(frozen=True)
class Proposal:
    """The columns, the statements that make the table (none where it is there), and the definition."""

    columns: Sequence[ProposedColumn]
    ddl: list[str]
    definition: dict[str, Any]


def propose(connection: Connection, found: Inspection, table: str, filename: str) -> Proposal:
    """Return the proposal for a table, which is to be made unless the header was mapped to it."""
    names: Sequence[str | None] = found.mapping or column_names(found.header)
    columns = [
        ProposedColumn(cell, name, guess.type)
        for cell, name, guess in zip(found.header, names, found.columns, strict=True)
    ]
    typed = [(column.name, column.type) for column in columns if column.name is not None]
    ddl = [] if found.mapping else table_ddl(connection, table, typed)
    definition: dict[str, Any] = {"table": table, "source": source_pattern(filename)}
    nulls, convert = _nulls_and_conversions(found, names)
    form = {**format_of(found), **({"null": [_DEFAULT_NULL, *nulls]} if nulls else {})}
    mapped = {each.cell: each.name for each in columns if each.cell != each.name}
    if found.date_order is not None:
        definition["date_order"] = found.date_order.value
    more = {"format": form, "columns": mapped, "convert": convert}
    definition |= {name: value for name, value in more.items() if value}
    DatasetDefinition.model_validate(definition)
    return Proposal(columns, ddl, definition)


def table_ddl(connection: Connection, table: str, columns: Sequence[tuple[str, str]]) -> list[str]:
    """Return the statements that make a table and let loaders write it."""
    schema, _, name = table.partition(".")
    target = f"{quote_ident(schema, connection)}.{quote_ident(name, connection)}"
    listed = ",\n".join(f"    {quote_ident(name, connection)} {kind}" for name, kind in columns)
    return [
        f"CREATE TABLE {target} (\n{listed}\n)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {target} TO {LOADER}",
    ]


def _nulls_and_conversions(
    found: Inspection, names: Sequence[str | None]
) -> tuple[list[str], dict[str, Mapping[str, Any]]]:
    """Return the texts that are NULL in the whole file, and the conversions of columns.

    What is a value in a column of texts is NULL in other columns only, by their conversion.
    """
    in_texts = {
        cell.decode()
        for record in found.records
        if record.fault is None
        for cell, guess in zip(record.cells, found.columns, strict=True)
        if cell is not None and not guess.nulls
    }
    nulls = sorted({null for guess in found.columns for null in guess.nulls} - in_texts)
    convert: dict[str, Mapping[str, Any]] = {}
    for name, guess in zip(names, found.columns, strict=True):
        said = dict(guess.convert)
        if only_here := sorted(guess.nulls & in_texts):
            said["map"] = dict.fromkeys(only_here)
        if said and name is not None:
            convert[name] = said
    return nulls, convert
