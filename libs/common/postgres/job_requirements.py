"""Try what a job needs beside the rights on its table: what its rows are made with, and that they may be changed.

What would fail each job is refused when a dataset is put, saying what to run.
"""

from collections.abc import Collection

import psycopg2
from psycopg2.extensions import connection as Connection

from libs.common.enums import LoadMode
from libs.common.errors import BadInput
from libs.common.postgres.prepared import fetch_prepared
from libs.common.postgres.target_checks import LOADER_ROLE
from libs.common.postgres.target_table import TargetTable


def check_needed_rights(
    connection: Connection, table: TargetTable, given: Collection[str], role: str = LOADER_ROLE
) -> None:
    """Raise `BadInput` unless `role` may use what a row of the table needs, where the columns `given` have values.

    That is: sequences of serial columns (identity columns need no right of their own), the columns' types with their
    schemas, functions of defaults, checks, domains and indexes.
    """
    with connection.cursor() as cursor:
        parameters = {"table": table.oid, "given": list(given), "role": role}
        lacking = fetch_prepared(cursor, __package__, "lacking_rights", parameters)
    if lacking:
        grants = "; ".join(f"GRANT {lacks} TO {role}" for lacks, _ in lacking)
        needed_for = ", ".join(dict.fromkeys(used for _, used in lacking))
        raise BadInput(
            "table-not-permitted",
            f"{role} may not use what {needed_for} of {table.name} needs: {grants}; "
            "of defaults, or name the columns that files bring themselves in 'columns'",
        )


def check_writable(
    connection: Connection, table: TargetTable, mode: LoadMode, role: str = LOADER_ROLE
) -> None:
    """Raise `BadInput` where Postgres would refuse to write rows, or to change them as this mode does.

    Sources: `CheckCmdReplicaIdentity` (execReplication.c), `pub_contains_invalid_column`
    (publicationcmds.c), `check_enable_rls` (rls.c).
    """
    with connection.cursor() as cursor:
        parameters = {
            "table": table.oid,
            "role": role,
            "updates": mode is LoadMode.UPSERT,
            "deletes": mode is LoadMode.REPLACE,
        }
        [(has_row_security, fixes)] = fetch_prepared(
            cursor, __package__, "refused_writes", parameters
        )
    if has_row_security:
        raise BadInput(
            "table-not-permitted",
            f"{table.name} has row-level security, which COPY does not support: as a superuser run ALTER ROLE {role} "
            f"BYPASSRLS; or ALTER TABLE {table.quoted_name} DISABLE ROW LEVEL SECURITY; or load into a staging table",
        )
    if fixes:
        raise BadInput(
            "table-not-permitted",
            f"mode {mode.value!r} changes rows that a publication sends, which Postgres refuses unless it sends a "
            f"replica identity with them: {'; '.join(fixes)}; or add a primary key",
        )


def check_time_zone(connection: Connection, name: str) -> None:
    """Raise `BadInput` unless Postgres knows the time zone too; its list is not that of Python."""
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT adsp_time_zone")
        try:
            cursor.execute("SELECT set_config('TimeZone', %s, TRUE)", (name,))
        except psycopg2.DataError as exc:
            raise BadInput(
                "time-zone-unknown",
                f"Postgres does not know the time zone {name!r}; use an IANA name such as 'Europe/Vienna' "
                "(pg_timezone_names lists them)",
            ) from exc
        finally:
            cursor.execute("ROLLBACK TO SAVEPOINT adsp_time_zone")
