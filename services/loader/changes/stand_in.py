"""Make a table that stands in for the emptied target of a replace: what it takes is what the target would take.

It has the target's name, columns, NOT NULL and CHECK constraints, in the loader's own schema, so that Postgres words
refusals as it would there. It ends with the transaction, and is not unlogged (decision 45).
"""

from dataclasses import replace

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.postgres.target_table import TargetTable
from libs.common.sql_files import read_statement
from services.loader.changes.rules import ComparisonRules

SCHEMA = "adsp_staging"
_LIKE = (
    "CREATE TABLE {} (LIKE {} INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING GENERATED"
    " INCLUDING STORAGE INCLUDING COMPRESSION) WITH (autovacuum_enabled = off)"
)


def make_stand_in(
    cursor: Cursor,
    table: TargetTable,
    rules: ComparisonRules,
    *,
    has_indexes: bool,
) -> TargetTable:
    """Make the table; return it as a target of loads.

    With `has_indexes` it has the target's unique indexes, and refuses keys that come again. Columns that take numbers
    stay empty: a number is given to what is written into the target.
    """
    indexes = rules.unique_indexes if has_indexes else ()
    names = [table.relation, *(name for name, _ in indexes)]
    cursor.execute(read_statement(__package__, "names"), {"names": names})
    own = sql.Identifier(SCHEMA, table.relation)
    cursor.execute(sql.SQL(_LIKE).format(own, table.identifier))
    for name in sorted(rules.numbered):
        cursor.execute(
            sql.SQL("ALTER TABLE {0} ALTER {1} DROP DEFAULT, ALTER {1} DROP NOT NULL").format(
                own, sql.Identifier(name)
            )
        )
    for name, made in indexes:
        cursor.execute(
            sql.SQL("CREATE UNIQUE INDEX {} ON {} USING ").format(sql.Identifier(name), own)
            + sql.SQL(made)
        )
    cursor.execute("SELECT %s::regclass::oid", (own.as_string(cursor),))
    row = cursor.fetchone()
    return replace(
        table,
        schema=SCHEMA,
        oid=row[0] if row else 0,
        unique_keys=table.unique_keys if has_indexes else (),
        has_unique_index=bool(indexes),
        has_several_unique_indexes=len(indexes) > 1,
        has_foreign_keys=False,
        has_user_triggers=False,
        references_itself=False,
    )
