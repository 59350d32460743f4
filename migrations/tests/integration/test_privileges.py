"""Each role may do to each table what its work needs and nothing else: all of it is tried.

The matrix is what SECURITY.md promises. A new table fails the test until somebody has said who may do what to it.
"""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor  # a class in lower case

from libs.common.ledger.models import Base
from libs.devstack.addresses import ROLES, Role
from libs.devstack.testing.databases import ScratchDatabase

RESTRICTED: tuple[Role, ...] = ("api", "worker", "loader", "monitor", "reader")
MAY: dict[Role, dict[str, str]] = {
    "api": {
        "adsp.api_keys": "select insert",
        "adsp.audit_log": "select insert",
        "adsp.corrections": "select insert update delete",
        "adsp.chunk_leases": "select",
        "adsp.chunks": "select",
        "adsp.dataset_versions": "select",
        "adsp.datasets": "select insert update",
        "adsp.direct_uploads": "select insert",
        "adsp.events": "select insert",
        "adsp.failed_rows": "select",
        "adsp.idempotency_keys": "select insert",
        "adsp.job_files": "select",
        "adsp.jobs": "select insert update",
        "adsp.notification_targets": "select",
        "adsp.notifications": "select",
        "adsp.sessions": "select insert delete",
        "adsp.uploads": "select insert",
        "public.items": "select",
    },
    "worker": {
        "adsp.corrections": "select delete",
        "adsp.chunk_leases": "select insert update delete",
        "adsp.chunks": "select insert update delete",
        "adsp.dataset_versions": "select",
        "adsp.datasets": "select update",
        "adsp.direct_uploads": "select delete",
        "adsp.events": "select insert update delete",
        "adsp.failed_rows": "select insert update delete",
        "adsp.failed_row_counters": "select",
        "adsp.idempotency_keys": "select insert update delete",
        "adsp.job_counters": "select",
        "adsp.job_files": "select insert update delete",
        "adsp.jobs": "select insert update delete",
        "adsp.notification_targets": "select insert update delete",
        "adsp.notifications": "select insert update delete",
        "adsp.uploads": "select delete",
    },
    "loader": {
        "adsp.chunk_leases": "select insert update delete",
        "adsp.chunks": "select update",
        "adsp.dataset_versions": "select",
        "adsp.datasets": "select",
        "adsp.events": "select",
        "adsp.failed_rows": "select insert",
        "adsp.idempotency_keys": "select",
        "adsp.job_files": "select update",
        "adsp.jobs": "select",
        "adsp.notification_targets": "select",
        "adsp.notifications": "select",
        "public.items": "select insert update delete",
    },
    "monitor": {},
    "reader": {},
}
ATTEMPTS = {
    "select": "SELECT FROM {table} LIMIT 0",
    "insert": "INSERT INTO {table} DEFAULT VALUES",
    "update": "UPDATE {table} SET {column} = DEFAULT WHERE false",
    "delete": "DELETE FROM {table} WHERE false",
    "truncate": "TRUNCATE {table} CASCADE",
    "alter": "ALTER TABLE {table} ADD COLUMN mine text",
    "trigger": "CREATE TRIGGER mine BEFORE INSERT ON {table} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "drop": "DROP TABLE {table} CASCADE",
}
"""One harmless statement for each right; the insert violates a constraint, if it comes so far."""


@pytest.fixture(params=RESTRICTED)
def role(request: pytest.FixtureRequest) -> Role:
    """Give each role but the owner."""
    role: Role = request.param
    return role


@pytest.fixture
def cursor(database: ScratchDatabase, role: Role) -> Iterator[Cursor]:
    """Give a cursor of the role's whose transaction is rolled back."""
    with closing(psycopg2.connect(database.dsn_for(role))) as connection:
        with connection.cursor() as cursor:
            yield cursor
        connection.rollback()


def _is_allowed(cursor: Cursor, statement: str | sql.Composed) -> bool:
    """Try a statement and take it back; any other error than a missing right means that it is allowed."""
    cursor.execute("SAVEPOINT tried")
    try:
        cursor.execute(statement)
    except errors.InsufficientPrivilege:
        return False
    except psycopg2.IntegrityError:
        return True
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT tried")
    return True


def test_every_role_but_the_owner_is_tried() -> None:
    assert {"owner", *RESTRICTED} == set(ROLES)


def test_a_role_may_do_what_its_work_needs_and_nothing_else(cursor: Cursor, role: Role) -> None:
    found = {}
    for name, table in Base.metadata.tables.items():
        full_name = name if "." in name else f"public.{name}"
        names = {
            "table": sql.Identifier(*full_name.split(".")),
            "column": sql.Identifier(next(iter(table.columns)).name),
        }
        allowed = [
            right
            for right, statement in ATTEMPTS.items()
            if _is_allowed(cursor, sql.SQL(statement).format(**names))
        ]
        if allowed:
            found[full_name] = " ".join(allowed)

    assert found == MAY[role]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.mine ()",
        "CREATE TABLE adsp.mine ()",
        "DROP SCHEMA adsp_staging",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE mine",
        "CREATE EXTENSION postgres_fdw",
        "ALTER ROLE CURRENT_USER CREATEROLE",
        "GRANT adsp_owner TO CURRENT_USER",
        "SET ROLE adsp_owner",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER ROLE adsp_api SUPERUSER",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "COPY (SELECT 1) TO '/tmp/mine'",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_reload_conf()",
        "DROP SCHEMA adsp CASCADE",
        "UPDATE adsp.alembic_version SET version_num = 'x'",
    ],
)
def test_no_role_reaches_beyond_its_tables(cursor: Cursor, statement: str) -> None:
    """Neither makes, takes over, reads the server's files nor runs a program."""
    assert not _is_allowed(cursor, statement)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("api", "UPDATE adsp.api_keys SET scopes = '{admin}'"),
        ("api", "UPDATE adsp.api_keys SET created_at = now()"),
        ("api", "UPDATE adsp.api_keys SET digest = ''"),
        ("api", "UPDATE adsp.direct_uploads SET owner = 'mine'"),
        ("api", "UPDATE adsp.direct_uploads SET bytes = 1"),
        ("api", "CREATE TEMPORARY TABLE mine ()"),
        ("worker", "CREATE TEMPORARY TABLE mine ()"),
        ("api", "CREATE TABLE adsp_staging.mine ()"),
        ("worker", "CREATE TABLE adsp_staging.mine ()"),
        ("monitor", "CREATE TABLE adsp_staging.mine ()"),
        ("loader", "ALTER TABLE public.items DISABLE TRIGGER ALL"),
        ("loader", "COPY public.items FROM '/etc/passwd'"),
        ("loader", "COPY public.items TO PROGRAM 'cat'"),
    ],
    indirect=["role"],
)
def test_a_role_that_may_do_some_of_it_may_not_do_the_rest(cursor: Cursor, statement: str) -> None:
    assert not _is_allowed(cursor, statement)


def test_the_loader_stages_in_a_schema_of_its_own(database: ScratchDatabase) -> None:
    with closing(psycopg2.connect(database.dsn_for("loader"))) as connection:
        with connection.cursor() as cursor:
            assert _is_allowed(cursor, "CREATE TABLE adsp_staging.mine (LIKE public.items)")
        connection.rollback()


def test_a_revoked_key_stays_revoked(database: ScratchDatabase) -> None:
    with closing(psycopg2.connect(database.dsn_for("api"))) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO adsp.api_keys (id, name, owner, scopes, digest)"
                " VALUES ('k', 'n', 'o', '{read}', sha256('x'))"
            )
            cursor.execute("UPDATE adsp.api_keys SET revoked_at = now()")
            cursor.execute("UPDATE adsp.api_keys SET revoked_at = now()")  # the same moment
            with pytest.raises(errors.CheckViolation, match="stays so"):
                cursor.execute("UPDATE adsp.api_keys SET revoked_at = NULL")
        connection.rollback()
