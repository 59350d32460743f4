"""Make the roles and databases that migrations and services expect to find in a cluster.

The roles belong to the cluster, so that migrations only grant to them. Whoever runs ADSP on a
PostgreSQL of their own makes the same roles there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # a class in lower case

from libs.devstack.addresses import DATABASE, ROLES, StackAddresses

_ROLES_SQL = Path(__file__).with_name("roles.sql")
_CONNECT_TIMEOUT = 5


@contextmanager
def administration(addresses: StackAddresses, database: str = "postgres") -> Iterator[Cursor]:
    """Open a cursor of the superuser that commits every statement at once."""
    connection = psycopg2.connect(
        addresses.superuser_dsn(database), connect_timeout=_CONNECT_TIMEOUT
    )
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def prepare_cluster(addresses: StackAddresses) -> None:
    """Make the roles and the database `adsp` where they are missing; do nothing to what exists."""
    with administration(addresses) as cursor:
        _make_roles(cursor, addresses)
        if not database_exists(cursor, DATABASE):
            create_database(cursor, DATABASE)
        # A database of an earlier version knows no monitor.
        cursor.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO adsp_monitor").format(sql.Identifier(DATABASE))
        )


def database_exists(cursor: Cursor, name: str) -> bool:
    """Return whether the cluster has the database."""
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
    return cursor.fetchone() is not None


def create_database(cursor: Cursor, name: str, template: str = "template0") -> None:
    """Make a database of the owner's that our roles, and nobody else, may enter."""
    names = {
        "database": sql.Identifier(name),
        "template": sql.Identifier(template),
        "owner": sql.Identifier("adsp_owner"),
        "services": sql.SQL(", ").join(
            sql.Identifier(f"adsp_{role}") for role in ROLES if role != "owner"
        ),
        "loader": sql.Identifier("adsp_loader"),
    }
    # Rights on a database itself are not copied from a template, so they are given here.
    for statement in (
        "CREATE DATABASE {database} OWNER {owner} TEMPLATE {template}",
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {database} TO {services}",
        "GRANT TEMPORARY ON DATABASE {database} TO {loader}",
    ):
        cursor.execute(sql.SQL(statement).format(**names))


def drop_database(cursor: Cursor, name: str) -> None:
    """Drop a database, ending the sessions that are still in it."""
    cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _make_roles(cursor: Cursor, addresses: StackAddresses) -> None:
    for role in ROLES:
        cursor.execute(
            sql.SQL(_ROLES_SQL.read_text()).format(
                role=sql.Identifier(f"adsp_{role}"),
                password=sql.Literal(addresses.credentials.of_role(role)),
            )
        )
    # The worker finds and ends the session of a loader that has lost its lease.
    cursor.execute("GRANT pg_signal_backend, pg_read_all_stats TO adsp_worker")
    cursor.execute("GRANT pg_monitor TO adsp_monitor")
