"""See whether files that were found fit the target, and what their plan is; nothing is loaded before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from libs.common.csv.header import Header
from libs.common.csv.header_hints import show_header
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.guards import require_columns
from libs.common.datasets.slices import Slice
from libs.common.errors import BadInput, HeaderError, SourceError
from libs.common.postgres.catalog import read_table
from libs.common.postgres.header_mapping import match_header
from libs.common.postgres.job_requirements import check_needed_rights
from libs.common.postgres.target_checks import check_target
from libs.common.postgres.target_table import TargetColumn, TargetTable
from libs.common.sources.stores.locations import Location
from services.worker.planning.source_scan import Cut, FileReader, ScannedFile


@dataclass(frozen=True)
class Columns:
    """What tells the cells of the records, the same for all files of a load.

    `encoding` is that of the format, with the byte order that the file's start tells. `given` are the columns that
    the header means, `loadable` those that it may mean. `take_rows_twice`: no key of the table would refuse a record
    of them that comes again.
    """

    header: tuple[str, ...]
    encoding: str
    given: frozenset[str]
    loadable: frozenset[str]
    take_rows_twice: bool


@dataclass(frozen=True)
class Inspected:
    """How a file can be loaded: into which columns, and in which chunks.

    `is_ordered`: each chunk is loaded after those before it (decision 50).
    """

    cut: Cut
    columns: Columns
    is_ordered: bool


def needs_order(connection: Any, definition: DatasetDefinition) -> bool:
    """Return whether the target's chunks are loaded one after the other; not of one that is unfit, for `inspect_file`.

    `connection` is a psycopg2 connection.
    """
    try:
        return read_table(connection, definition.table).has_order_dependent_constraints
    except BadInput:
        return False


def inspect_file(connection: Any, definition: DatasetDefinition, scanned: ScannedFile) -> Inspected:
    """Check header and target, and tell the chunks of the file.

    `connection` is a psycopg2 connection. Raises `BadInput` when header or target do not fit.
    """
    table = _read_target(connection, definition)
    cut = scanned.cut()
    given = _match_header(cut.header, table, definition)
    check_needed_rights(connection, table, [column.name for column in given])
    columns = _describe_columns(cut.header, table, given)
    return Inspected(cut, columns, table.has_order_dependent_constraints)


def inspect_files(
    connection: Any, reader: FileReader, paths: Sequence[Location]
) -> tuple[Columns, list[Header]]:
    """Check target and headers of files that are loaded together; return the headers too, which must be the same.

    `connection` is a psycopg2 connection. Raises `BadInput`.
    """
    table = _read_target(connection, reader.definition)
    headers = [reader.read_header(path) for path in paths]
    first, *others = headers
    given = _match_header(first, table, reader.definition)
    check_needed_rights(connection, table, [column.name for column in given])
    for path, other in zip(paths[1:], others, strict=True):
        if (other.cells, other.encoding) != (first.cells, first.encoding):
            raise SourceError(
                "headers-differ",
                f"{path} has another header or encoding than {paths[0]}; the files that one job loads need the "
                "same columns in the same order: correct the file, or give it a dataset of its own",
            )
    return _describe_columns(first, table, given), headers


def _read_target(connection: Any, definition: DatasetDefinition) -> TargetTable:
    table = check_target(
        connection,
        definition.table,
        mode=definition.mode,
        key=definition.key,
        is_sliced=definition.scope is not None,
    )
    Slice.of(table, definition, date.min)  # the column may have changed since PUT
    return table


def _match_header(
    header: Header, table: TargetTable, definition: DatasetDefinition
) -> Sequence[TargetColumn]:
    """Return the columns that a load of such a file fills, or raise `HeaderError`."""
    try:
        matched = match_header(header.cells, table, definition.header_rules)
    except HeaderError as exc:
        shown = show_header(header, definition.format)
        raise HeaderError(exc.code, exc.message + shown) from exc
    require_columns(definition, header.cells)
    return matched.columns


def _describe_columns(header: Header, table: TargetTable, given: Sequence[TargetColumn]) -> Columns:
    return Columns(
        header.cells,
        header.encoding,
        given=frozenset(column.name for column in given),
        loadable=frozenset(column.name for column in table.columns if not column.is_generated),
        take_rows_twice=not table.refuses_repeated(given),
    )
