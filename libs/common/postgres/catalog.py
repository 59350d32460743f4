"""Read what a target table is from the catalog of Postgres."""

from collections.abc import Mapping
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extras import RealDictCursor

from libs.common.errors import BadInput
from libs.common.postgres.prepared import fetch_prepared
from libs.common.postgres.target_table import TargetColumn, TargetTable, UniqueKey

_RESERVED_SCHEMAS = frozenset(
    {"adsp", "adsp_staging", "pg_catalog", "information_schema", "pg_toast"}
)
_LOADABLE_KINDS = frozenset({"r", "p"})


def read_table(connection: Connection, name: str) -> TargetTable:
    """Read the table ``schema.table``, or raise `BadInput` (table-missing, table-not-permitted)."""
    schema, _, relation = name.partition(".")
    names = {"schema": schema, "name": relation}
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        rows = fetch_prepared(cursor, __package__, "target_relation", names)
    if not rows:
        raise BadInput(
            "table-missing",
            f"there is no table {name}; create it first (names are case-sensitive, and written without quotes)",
        )
    found: dict[str, Any] = rows[0]
    _refuse_unloadable(name, schema, found)
    return TargetTable(
        schema=schema,
        relation=relation,
        oid=found["oid"],
        columns=tuple(_column(row) for row in found["columns"] or ()),
        unique_keys=tuple(
            UniqueKey(tuple(row["columns"]), row["nulls_are_equal"])
            for row in found["unique_keys"] or ()
        ),
        constraint_columns=found["constraint_columns"] or {},
        referenced_columns=frozenset(found["referenced_columns"]),
        is_partitioned=found["kind"] == "p",
        tables_changed_by_deletes=tuple(found["tables_changed_by_deletes"]),
        has_unique_index=found["has_unique_index"],
        has_several_unique_indexes=found["has_several_unique_indexes"],
        references_itself=found["references_itself"],
        has_foreign_keys=found["has_foreign_keys"],
        has_user_triggers=found["has_user_triggers"],
        calls_user_functions=found["calls_user_functions"],
    )


def _column(row: Mapping[str, Any]) -> TargetColumn:
    """Return a column of the statement's list."""
    return TargetColumn(**{name: value for name, value in row.items() if name != "place"})


def _refuse_unloadable(name: str, schema: str, traits: Mapping[str, Any]) -> None:
    """Raise for relations that COPY and INSERT treat differently, or that are not for loading."""
    reasons = {
        "belongs to the system; choose a table of your own": schema in _RESERVED_SCHEMAS,
        "is not an ordinary or partitioned table; load into the table behind it": (
            traits["kind"] not in _LOADABLE_KINDS
        ),
        "has foreign tables as partitions; load into them where they live": (
            traits["has_foreign_parts"]
        ),
        "has rules, which COPY ignores; replace them with triggers": traits["has_rules"],
    }
    for reason, applies in reasons.items():
        if applies:
            raise BadInput("table-not-permitted", f"{name} {reason}")
