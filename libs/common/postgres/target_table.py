"""Read what a target table is from the Postgres catalog: the table declares the types, not ADSP.

Used by the api (is the dataset possible?), the worker (does the header fit, must chunks go in order?) and the
loader (what may be loaded many rows at a time?). Nothing here depends on the contents of a table.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import RealDictCursor

from libs.common.enums import LoadMode
from libs.common.errors import BadInput
from libs.common.sql_files import read_statement

LOADER_ROLE = "adsp_loader"
PRIVILEGES: dict[LoadMode, tuple[str, ...]] = {
    LoadMode.APPEND: ("INSERT",),
    LoadMode.UPSERT: ("INSERT", "SELECT", "UPDATE"),
    LoadMode.REPLACE: ("INSERT", "DELETE"),
}
_RESERVED_SCHEMAS = frozenset(
    {"adsp", "adsp_staging", "pg_catalog", "information_schema", "pg_toast"}
)
MOST_COLUMNS = 1600
"""As many columns a table of Postgres can have: beside those of such a table there is no room for one of ours."""
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")
_LOADABLE_KINDS = frozenset({"r", "p"})


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """One column; `type` is written as Postgres does, with its length or precision.

    `identity` is '' (none), 'a' (always) or 'd' (by default); `is_computed` is a generated column.
    """

    name: str
    type: str
    is_not_null: bool
    has_default: bool
    is_computed: bool
    identity: str
    is_domain: bool

    @property
    def is_generated(self) -> bool:
        """Return whether Postgres refuses any value given for it."""
        return self.is_computed or self.identity == "a"

    @property
    def is_required(self) -> bool:
        """Return whether a record must bring it."""
        return self.is_not_null and not (self.has_default or self.is_computed or self.identity)


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """Columns of a unique index; `nulls_are_equal` is NULLS NOT DISTINCT."""

    columns: tuple[str, ...]
    nulls_are_equal: bool


@dataclass(frozen=True, slots=True)
class TargetTable:
    """A table that can be loaded, as the catalog describes it."""

    schema: str
    relation: str
    oid: int
    columns: tuple[TargetColumn, ...]
    unique_keys: tuple[UniqueKey, ...]
    constraint_columns: Mapping[str, str]
    referenced_columns: frozenset[str]
    is_partitioned: bool
    tables_changed_by_deletes: tuple[str, ...]
    has_unique_index: bool
    has_several_unique_indexes: bool
    references_itself: bool
    has_foreign_keys: bool
    has_user_triggers: bool
    calls_user_functions: bool

    @property
    def name(self) -> str:
        """Return ``schema.table`` for messages."""
        return f"{self.schema}.{self.relation}"

    @property
    def quoted_name(self) -> str:
        """Return ``schema.table`` for statements that a person is to run, with quotes where they are needed."""
        return ".".join(
            name if _PLAIN_NAME.fullmatch(name) else '"' + name.replace('"', '""') + '"'
            for name in (self.schema, self.relation)
        )

    @property
    def identifier(self) -> sql.Identifier:
        """Return the quoted name for statements."""
        return sql.Identifier(self.schema, self.relation)

    @property
    def own_rows(self) -> sql.Composable:
        """Return the name for statements about its rows and its partitions', not those of tables that inherit from it.

        Those are other tables: their rights and keys are not checked when the parent is named.
        """
        only = "" if self.is_partitioned else "ONLY "
        return sql.SQL(only + "{}").format(self.identifier)

    @property
    def has_order_dependent_constraints(self) -> bool:
        """Return whether the fate of a record can depend on records before it."""
        return self.has_unique_index or self.is_row_order_sensitive

    @property
    def is_row_order_sensitive(self) -> bool:
        """Return whether one statement over many rows may differ from one statement per row."""
        return self.references_itself or self.has_user_triggers or self.calls_user_functions

    def refuses_repeated(self, given: Sequence[TargetColumn]) -> bool:
        """Return whether a unique index refuses a record of these columns that comes a second time.

        Not one of a column that Postgres fills: each record gets another value. What an index of expressions or of a
        part of the rows refuses cannot be known, and is taken for all.
        """
        names = {column.name for column in given}
        is_known = self.unique_keys and not self.has_several_unique_indexes
        return self.has_unique_index and (
            not is_known or any(names.issuperset(key.columns) for key in self.unique_keys)
        )

    def has_sequence_defaults(self, given: Sequence[TargetColumn]) -> bool:
        """Return whether a column that is not given may get a value that depends on the order of writing."""
        names = {column.name for column in given}
        return any(
            column.has_default or column.identity
            for column in self.columns
            if column.name not in names
        )

    def allows_parallel_chunks(self, given: Sequence[TargetColumn]) -> bool:
        """Return whether parts of a file may be written at the same time as long as they are committed in their order.

        Then the unique index refuses what it would refuse of one part after the other. Triggers, sequences and what
        reads the table itself may see the difference. Foreign keys and further unique indexes may refuse a record too
        early: that its key is taken, by a part that is not written yet, would be its first fault.
        """
        has_second_fault = self.has_foreign_keys or self.has_several_unique_indexes
        return not (
            has_second_fault or self.is_row_order_sensitive or self.has_sequence_defaults(given)
        )

    def find_column(self, name: str) -> TargetColumn | None:
        """Return the column called `name`."""
        return next((column for column in self.columns if column.name == name), None)

    def find_key(self, columns: Sequence[str]) -> UniqueKey | None:
        """Return a unique key of exactly these columns, in any order."""
        wanted = sorted(columns)
        return next((key for key in self.unique_keys if sorted(key.columns) == wanted), None)


def read_table(connection: Connection, name: str) -> TargetTable:
    """Read the table ``schema.table``, or raise `BadInput` (table-missing, table-not-permitted)."""
    schema, _, relation = name.partition(".")
    # The planner expects thousands of types, and would compile the statement: a second where Postgres has a compiler.
    statement = "SET LOCAL jit = off; " + read_statement(__package__, "target_relation")
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(statement, {"schema": schema, "name": relation})
        found: dict[str, Any] | None = cursor.fetchone()
    if found is None:
        raise BadInput(
            "table-missing",
            f"there is no table {name}; create it first (names are case-sensitive, and written without quotes)",
        )
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
        "has row-level security, which COPY does not support; load into a staging table": (
            traits["has_row_security"]
        ),
        "has rules, which COPY ignores; replace them with triggers": traits["has_rules"],
    }
    for reason, applies in reasons.items():
        if applies:
            raise BadInput("table-not-permitted", f"{name} {reason}")
