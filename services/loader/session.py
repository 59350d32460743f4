"""Open the loader's connections: one that loads, one beside it that tells how far the load is.

What a text means to Postgres depends on session settings; they are the same for every load, except the time zone, the
order of day, month and year, and the schemas that names are looked for in, which belong to the dataset.
"""

import psycopg2
from psycopg2.extensions import connection as Connection

from libs.common.enums import DateOrder
from libs.common.postgres.hosts import DatabaseHosts, connection_parameters
from libs.common.postgres.silence import CLIENT_SIDE, SERVER_SIDE, UNANSWERED_MS, as_options
from libs.common.sql_files import read_statement

_NO_TIMEOUTS = dict.fromkeys(
    ("statement_timeout", "transaction_timeout", "lock_timeout", "idle_session_timeout"), 0
)
_POOLER_REFUSES_OPTIONS = "unsupported startup parameter"
"""What pgbouncer says; it is connected to all the same, so that a job can say what is wrong (`pooling`)."""


def connect(
    hosts: DatabaseHosts,
    url: str,
    *,
    application_name: str,
    connect_timeout: int,
    idle_seconds: int,
) -> Connection:
    """Connect to the database of a SQLAlchemy URL with a connection of one's own.

    Postgres ends a transaction of it that waits for its next statement for longer than `idle_seconds`; no other
    timeout that its role may have set holds for it. It ends when the other host is silent for so long or a minute.
    """
    settings = {
        **_NO_TIMEOUTS,
        "idle_in_transaction_session_timeout": idle_seconds * 1000,
        **SERVER_SIDE,
    }
    parameters = {
        **connection_parameters(url),
        "application_name": application_name,
        "connect_timeout": connect_timeout,
        "tcp_user_timeout": min(UNANSWERED_MS, idle_seconds * 1000),
        **CLIENT_SIDE,
    }
    try:
        return hosts.connect({**parameters, "options": as_options(settings)})
    except psycopg2.OperationalError as exc:
        if _POOLER_REFUSES_OPTIONS not in str(exc):
            raise
    connection = hosts.connect(parameters)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(";".join(f"SET {name} = {value}" for name, value in settings.items()))
    connection.autocommit = False
    return connection


def fix_settings(
    connection: Connection, table: str, time_zone: str, date_order: DateOrder, lock_seconds: float
) -> None:
    """Fix the session settings of a load into ``schema.table``.

    That is a transaction of its own, so that no rollback undoes them.
    """
    parameters = {
        "schema": table.partition(".")[0],
        "time_zone": time_zone,
        "date_order": date_order.value,
        "lock_timeout": f"{lock_seconds * 1000:.0f}ms",
    }
    with connection, connection.cursor() as cursor:
        cursor.execute(read_statement(__package__, "session"), parameters)
