"""Open the target of a load and choose the way into it."""

from collections.abc import Sequence

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import LoadMode
from libs.common.postgres.job_requirements import check_writable
from libs.common.postgres.target_checks import check_key, check_target
from libs.common.postgres.target_table import TargetColumn, TargetTable
from services.loader.load_target import LoadTarget
from services.loader.rows.append import Appender, NewKeyAppender, Writer
from services.loader.rows.upsert import Upserter

# Writers and readers go on beside a load; a replace keeps other writers out, never readers.
_LOCKS = {LoadMode.REPLACE: "SHARE ROW EXCLUSIVE"}


def open_target(cursor: Cursor, definition: DatasetDefinition) -> TargetTable:
    """Lock the target against changes of its definition and return what the catalog says about it."""
    refusal = _lock(cursor, definition)
    role = _own_role(cursor)
    table = check_target(
        cursor.connection,
        definition.table,
        mode=definition.mode,
        key=definition.key,
        role=role,
        is_sliced=definition.scope is not None,
    )
    check_writable(cursor.connection, table, definition.mode, role)
    if refusal is not None:
        raise refusal  # the catalog knows no reason for it
    return table


def _lock(cursor: Cursor, definition: DatasetDefinition) -> psycopg2.Error | None:
    """Lock the table, or return why Postgres refuses: the catalog may have a better word for it."""
    table = sql.Identifier(*definition.table.split(".", 1))
    mode = sql.SQL(_LOCKS.get(definition.mode, "ROW EXCLUSIVE"))
    cursor.execute("SAVEPOINT adsp_lock")
    try:
        cursor.execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(table, mode))
    except (psycopg2.ProgrammingError, psycopg2.NotSupportedError) as exc:
        cursor.execute("ROLLBACK TO SAVEPOINT adsp_lock")
        return exc
    return None


def make_writer(target: LoadTarget) -> Writer:
    """Return the writer of a load; for a replace, the old rows go first, those of a slice if there is one."""
    cursor, table, columns, part = target.cursor, target.table, target.columns, target.part
    if target.appends_new_keys:
        return NewKeyAppender(cursor, table, columns)
    if target.mode is LoadMode.UPSERT:
        return Upserter(cursor, table, columns, check_key(table, target.definition.key))
    if target.mode is LoadMode.REPLACE:
        delete = sql.SQL("DELETE FROM {}").format(table.own_rows)
        cursor.execute(delete + sql.SQL(" WHERE ") + part.condition() if part else delete)
    return Appender(cursor, table, columns)


def has_no_rows(cursor: Cursor, table: TargetTable) -> bool:
    """Return whether the table certainly holds no row that a new one could meet."""
    cursor.execute("SELECT has_table_privilege(%s, 'SELECT')", (table.oid,))
    if cursor.fetchone() != (True,):
        return False
    cursor.execute(sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(table.own_rows))
    return cursor.fetchone() == (True,)


def why_single_row_inserts(
    table: TargetTable, columns: Sequence[TargetColumn], mode: LoadMode
) -> str | None:
    """Say why one statement over many rows could end otherwise than one statement per row, None when it cannot.

    Besides what the table itself says: COPY does not check the domain of a column that it is not given, and an
    update of columns that other tables refer to is checked at the end of its statement.
    """
    given = {column.name for column in columns}
    unchecked = [
        column.name
        for column in table.columns
        if column.name not in given and column.is_domain and not column.has_default
    ]
    referenced = sorted(table.referenced_columns & given) if mode is LoadMode.UPSERT else []
    reasons = {
        "a trigger may look at the rows before": table.has_user_triggers,
        "a foreign key refers to the table itself": table.references_itself,
        "a default or check calls a function that is not immutable": table.calls_user_functions,
        f"the file lacks columns of domains ({', '.join(unchecked)})": bool(unchecked),
        f"other tables refer to columns that it updates ({', '.join(referenced)})": bool(
            referenced
        ),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def may_write_twice(table: TargetTable, columns: Sequence[TargetColumn]) -> bool:
    """Return whether nobody can tell that a row was written, undone and written again.

    A sequence goes on counting, and so may what triggers and other functions of users keep.
    """
    given = {column.name for column in columns}
    return not (
        table.has_user_triggers
        or table.calls_user_functions
        or any(
            column.has_default or column.identity
            for column in table.columns
            if column.name not in given
        )
    )


def _own_role(cursor: Cursor) -> str:
    """Return the role that loads."""
    cursor.execute("SELECT current_user::text")
    row = cursor.fetchone()
    return str(row[0]) if row else ""
