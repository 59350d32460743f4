"""Ask which backend answers, which tells a pooler from Postgres itself."""

from psycopg2.extensions import connection as Connection


def backend_of(connection: Connection) -> int:
    """Return the process id of the backend that answers the connection now.

    A pooler tells its client another one at connect (`connection.info.backend_pid`), of its own making.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_backend_pid()")
        row = cursor.fetchone()
    return int(row[0]) if row else 0
