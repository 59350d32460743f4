"""Try what a job needs beside the rights on its table: numbers of sequences, a time zone that Postgres knows.

What would fail each job is refused when a dataset is put, saying how to fix it.
"""

from collections.abc import Collection

import psycopg2
from psycopg2.extensions import connection as Connection

from libs.common.errors import BadInput
from libs.common.postgres.target_checks import LOADER_ROLE
from libs.common.postgres.target_table import TargetTable
from libs.common.sql_files import read_statement


def check_sequences(
    connection: Connection, table: TargetTable, given: Collection[str], role: str = LOADER_ROLE
) -> None:
    """Raise `BadInput` unless `role` may take numbers from the sequences of columns that are not given.

    Identity columns need no right of their own.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            read_statement(__package__, "lacking_sequences"),
            {"table": table.oid, "given": list(given), "role": role},
        )
        lacking = cursor.fetchall()
    if lacking:
        sequences = ", ".join(sequence for sequence, _ in lacking)
        columns = ", ".join(column for _, column in lacking)
        raise BadInput(
            "table-not-permitted",
            f"{role} may take no numbers for {columns} of {table.name}: GRANT USAGE ON SEQUENCE {sequences} TO {role}; "
            "if the files bring these columns themselves, name them in 'columns'",
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
