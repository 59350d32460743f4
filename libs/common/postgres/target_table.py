"""What a target table is: the table declares the types, not ADSP.

Used by the api (is the dataset possible?), the worker (does the header fit, must chunks go in order?) and the
loader (what may be loaded many rows at a time?). Nothing here depends on the contents of a table.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import sql

MOST_COLUMNS = 1600
"""As many columns a table of Postgres can have: beside those of such a table there is no room for one of ours."""
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")


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
    sent_as: str = ""
    """The type that its binary form is of: of a domain the one below, of an enum text; '' where that is its own."""

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

    def find_column(self, name: str) -> TargetColumn | None:
        """Return the column called `name`."""
        return next((column for column in self.columns if column.name == name), None)

    def find_key(self, columns: Sequence[str]) -> UniqueKey | None:
        """Return a unique key of exactly these columns, in any order."""
        wanted = sorted(columns)
        return next((key for key in self.unique_keys if sorted(key.columns) == wanted), None)
