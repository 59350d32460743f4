"""Decide whether a replace writes only what differs: where that leaves the table that deleting and loading would leave.

A delivery is compared by a key that its file holds. Columns that the file lacks keep their values in rows that stay,
so they allow only tables of which no row's verdict can depend on other rows or on those columns: what a load does with
them depends on table and header alone, never on what is in the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import RealDictCursor

from libs.common.datasets.slices import Slice
from libs.common.postgres.prepared import fetch_prepared
from libs.common.postgres.target_table import TargetColumn, TargetTable


@dataclass(frozen=True, slots=True)
class ComparisonRules:
    """How the rows of a delivery are compared with those of its target, by column names.

    `key` identifies a row; columns in `same_if_equal` are stored alike if they are equal. `kept` are not in the file,
    `numbered` of them take numbers from a sequence. `unique_indexes`: name, and how each is made from its method on.
    """

    key: tuple[str, ...]
    same_if_equal: frozenset[str]
    kept: tuple[str, ...]
    numbered: frozenset[str]
    unique_indexes: tuple[tuple[str, str], ...]
    has_triggers: bool
    rows_estimated: int
    """Rows of the table before the load, about."""


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Why a delivery is not compared with what its table holds; without a reason there is nothing to compare with."""

    reason: str | None = None


def read_rules(
    cursor: Cursor, table: TargetTable, columns: Sequence[TargetColumn], part: Slice | None
) -> ComparisonRules | NotCompared:
    """Return how a delivery of these columns is compared with the table, or with a slice of it, or why it is not."""
    given = {column.name for column in columns}
    found = _ask(cursor, table, columns)
    kept = tuple(c.name for c in table.columns if c.name not in given and not c.is_computed)
    reason = _why_not(table, found) or (kept and _why_not_kept(table, found, kept, part))
    if reason:
        return NotCompared(reason)
    return _rules(table, found, found["keys"][0], kept)


def read_upsert_rules(
    cursor: Cursor,
    table: TargetTable,
    columns: Sequence[TargetColumn],
    key: Sequence[str],
    fewest_rows: int,
) -> ComparisonRules | None:
    """Return how an upsert of these columns is compared with the table by its key, None where it is not.

    For a table of fewer rows it is not worth a table that stands in for a temporary one.
    """
    found = _ask(cursor, table, columns)
    keys = [each for each in found["keys"] or () if sorted(each) == sorted(key)]
    is_large = found["rows_estimated"] >= fewest_rows
    if not keys or not is_large or table.is_partitioned or not found["may_stage"]:
        return None
    return _rules(table, found, keys[0], ())


def _ask(cursor: Cursor, table: TargetTable, columns: Sequence[TargetColumn]) -> dict[str, Any]:
    parameters = {"table": table.oid, "columns": [column.name for column in columns]}
    with cursor.connection.cursor(cursor_factory=RealDictCursor) as asking:
        return next(iter(fetch_prepared(asking, __package__, "rules", parameters)), {})


def _rules(
    table: TargetTable, found: dict[str, Any], key: Sequence[str], kept: tuple[str, ...]
) -> ComparisonRules:
    return ComparisonRules(
        key=tuple(key),
        same_if_equal=frozenset(found["same_if_equal"]),
        kept=kept,
        numbered=frozenset(found["numbered"]),
        unique_indexes=tuple((name, made) for name, made in found["unique_indexes"]),
        has_triggers=table.has_user_triggers,
        rows_estimated=found["rows_estimated"],
    )


def _why_not(table: TargetTable, found: dict[str, Any]) -> str | None:
    """Say what of the table stands against a comparison, None if nothing does."""
    lacking = ", ".join(found["lacking_rights"] or ())
    reasons = {
        f"the loader lacks {lacking} on the table": bool(lacking),
        "the loader may not create tables in the schema adsp_staging": not found["may_stage"],
        "the table is partitioned, or is a partition": (
            table.is_partitioned or found["is_partition"]
        ),
        "no unique index of the table has only plain columns of the file": not found["keys"],
        "other tables, or the table itself, refer to its rows": bool(table.referenced_columns),
        "the table has an exclusion constraint": found["has_exclusion"],
        "a unique constraint of the table is deferrable": found["has_deferrable_key"],
        "a trigger before an insert may change or refuse a row": found["has_trigger_before_insert"],
        "a foreign key of the table has not been validated": found["has_unchecked_references"],
        "a default or check calls a function that is not immutable": table.calls_user_functions,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def _why_not_kept(
    table: TargetTable, found: dict[str, Any], kept: Sequence[str], part: Slice | None
) -> str | None:
    """Say what stands against it where rows that stay keep their values in columns that the file lacks."""
    named = set(kept)
    reasons = {
        "a foreign key may refuse a row": table.has_foreign_keys,
        "a trigger may refuse a row": table.has_user_triggers,
        "a second unique index may refuse a row": found["keys_of_records"] > 1,
        "a row outside the slice may have its key": part is not None
        and part.column.name not in found["keys"][0],
        "a check needs them": found["checks_other_columns"],
        "a generated column may need them": any(c.is_computed for c in table.columns),
        "a domain may refuse their defaults": any(
            c.is_domain for c in table.columns if c.name in named
        ),
    }
    why = next((reason for reason, applies in reasons.items() if applies), None)
    return f"the file lacks columns ({', '.join(kept)}), and {why}" if why else None
