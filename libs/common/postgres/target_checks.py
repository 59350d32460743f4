"""Know whether a table can be loaded in a mode, and say how to fix it where not."""

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection

from libs.common.enums import LoadMode
from libs.common.errors import BadInput
from libs.common.postgres.catalog import read_table
from libs.common.postgres.target_table import TargetTable, UniqueKey

LOADER_ROLE = "adsp_loader"
PRIVILEGES: dict[LoadMode, tuple[str, ...]] = {
    LoadMode.APPEND: ("INSERT",),
    LoadMode.UPSERT: ("INSERT", "SELECT", "UPDATE"),
    LoadMode.REPLACE: ("INSERT", "DELETE"),
}


def check_target(
    connection: Connection,
    name: str,
    *,
    mode: LoadMode,
    key: Sequence[str] = (),
    role: str = LOADER_ROLE,
    is_sliced: bool = False,
) -> TargetTable:
    """Return the table if `role` can load it in this mode, or raise `BadInput` that says how to fix it.

    `is_sliced`: a replace reads a column of the rows that it deletes.
    """
    table = read_table(connection, name)
    lacking = missing_privileges(connection, table, mode, role, is_sliced=is_sliced)
    if lacking:
        raise BadInput(
            "table-not-permitted",
            f"{role} may not load {name}: GRANT {', '.join(lacking)} ON {table.quoted_name} TO {role}, "
            f"and USAGE on its schema",
        )
    if mode is LoadMode.UPSERT:
        check_key(table, key)
    if mode is LoadMode.REPLACE and table.tables_changed_by_deletes:
        others = ", ".join(table.tables_changed_by_deletes)
        raise BadInput(
            "table-not-permitted",
            f"replacing the rows of {name} would delete or change rows of {others}, whose foreign keys "
            "say ON DELETE CASCADE, SET NULL or SET DEFAULT; use mode 'upsert', or ON DELETE NO ACTION",
        )
    return table


def check_key(table: TargetTable, key: Sequence[str]) -> UniqueKey:
    """Return the unique key that an upsert by these columns uses, or raise `BadInput`."""
    found = table.find_key(key)
    if found is None:
        columns = ", ".join(key)
        raise BadInput(
            "key-not-unique",
            f"{table.name} has no primary key or unique index on exactly ({columns}) that an upsert "
            "could use; create one (not partial, not deferrable, not WITHOUT OVERLAPS) or change 'key'",
        )
    return found


def missing_privileges(
    connection: Connection,
    table: TargetTable,
    mode: LoadMode,
    role: str = LOADER_ROLE,
    *,
    is_sliced: bool = False,
) -> tuple[str, ...]:
    """List the privileges on the table that `role` lacks for this mode; all when it does not exist."""
    needed = PRIVILEGES[mode] + (("SELECT",) if is_sliced and mode is LoadMode.REPLACE else ())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_schema_privilege(oid, %(schema)s, 'USAGE'),"
            " ARRAY(SELECT p FROM unnest(%(needed)s::text[]) AS p"
            "       WHERE NOT has_table_privilege(r.oid, %(table)s::oid, p))"
            " FROM pg_catalog.pg_roles AS r WHERE rolname = %(role)s",
            {
                "schema": table.schema,
                "needed": list(needed),
                "table": table.oid,
                "role": role,
            },
        )
        row = cursor.fetchone()
    if row is None or not row[0]:
        return needed
    return tuple(row[1])
