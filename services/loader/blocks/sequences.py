"""Word the fault of a sequence that has no number left: it is the job's, no row could do better."""

from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor

from libs.common.errors import BadInput
from libs.common.postgres.target_table import TargetTable
from libs.common.sql_files import read_statement

CODE = "sequence-exhausted"


def sequence_exhausted(
    cursor: Cursor, table: TargetTable, error: errors.SequenceGeneratorLimitExceeded
) -> BadInput:
    """Return the job's error, with the statements that make room for more numbers.

    The transaction must be able to ask the catalog. Postgres' message names the sequence without its schema.
    """
    said = error.diag.message_primary or str(error).strip()
    cursor.execute(
        read_statement(__package__, "sequences"),
        {"table": table.oid, "message": said},
    )
    found = cursor.fetchone()
    how = (
        "give the sequence more numbers (ALTER SEQUENCE …)"
        if found is None
        else _how(cursor, table, *found)
    )
    return BadInput(
        CODE,
        f"{said} (SQLSTATE 2200H); nothing of this chunk was loaded: {how} as the owner of {table.name}, "
        "then trigger the job again",
    )


def _how(
    cursor: Cursor,
    table: TargetTable,
    sequence: str,
    column: str | None,
    column_type: str | None,
    no_limit: str,
) -> str:
    """Return what to run; a column that is too narrow for more numbers is widened first."""
    statements = [f"ALTER SEQUENCE {sequence} AS bigint {no_limit}"]
    if column_type in {"smallint", "integer"}:
        name = table.identifier.as_string(cursor)
        statements.insert(0, f"ALTER TABLE {name} ALTER COLUMN {column} TYPE bigint")
    return f"run {'; '.join(statements)}"
