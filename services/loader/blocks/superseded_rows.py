"""Return whether records that later ones of their keys supersede would have been taken by themselves.

An upsert writes the last record of each key only. An earlier one is superseded if Postgres would have taken it, and a
failed row if not; NOT NULL and CHECK have been asked of each before it was staged, so what is left are foreign keys
and rare things that are not looked into here. `services.loader.blocks.staging`, which finds the repeated keys, asks.
"""

from collections.abc import Sequence

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.postgres.target_table import TargetColumn, TargetTable
from libs.common.sql_files import read_statement
from services.loader.nulls import is_given


def are_sound(
    cursor: Cursor, table: TargetTable, columns: Sequence[TargetColumn], staged: sql.Identifier
) -> bool:
    """Return whether all staged rows certainly would have been taken; raises psycopg2.Error where it cannot ask."""
    names = [column.name for column in columns]
    parameters = {"table": table.oid, "columns": names}
    cursor.execute(read_statement(__package__, "superseded_rules"), parameters)
    row = cursor.fetchone()
    if row is None or row[0]:
        return False
    cursor.execute(read_statement(__package__, "foreign_keys"), parameters)
    for schema, relation, theirs, own, is_simple, is_partitioned in cursor.fetchall():
        if not is_simple or not set(names).issuperset(own):
            return False
        # A foreign key does not see the rows of tables that inherit from the one it refers to.
        only = "" if is_partitioned else "ONLY "
        referred = sql.SQL(only + "{}").format(sql.Identifier(schema, relation))
        cursor.execute(_orphan_query(staged, referred, theirs, own))
        if cursor.fetchone() is not None:
            return False
    return True


def _orphan_query(
    staged: sql.Identifier, referred: sql.Composable, theirs: Sequence[str], own: Sequence[str]
) -> sql.Composed:
    """Return the question for a staged row that refers to nothing."""
    present = [is_given(sql.Identifier("s", name)) for name in own]
    equal = [
        sql.SQL("r.{} = s.{}").format(sql.Identifier(their), sql.Identifier(mine))
        for their, mine in zip(theirs, own, strict=True)
    ]
    return sql.SQL(
        "SELECT FROM {} AS s WHERE {} AND NOT EXISTS (SELECT FROM {} AS r WHERE {}) LIMIT 1"
    ).format(staged, sql.SQL(" AND ").join(present), referred, sql.SQL(" AND ").join(equal))
