"""Ask whether a value is NULL as constraints and indexes do.

Of a composite value `IS NULL` says whether all its fields are NULL, and `IS NOT NULL` whether none is; a constraint
means the value itself. Source: PostgreSQL's documentation, "Comparison Functions and Operators".
"""

from psycopg2 import sql


def is_null(value: sql.Composable) -> sql.Composed:
    """Return the condition that a value is NULL."""
    return sql.SQL("{} IS NOT DISTINCT FROM NULL").format(value)


def is_given(value: sql.Composable) -> sql.Composed:
    """Return the condition that a value is not NULL."""
    return sql.SQL("{} IS DISTINCT FROM NULL").format(value)
