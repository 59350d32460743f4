"""The migrations make what the models declare, can be taken back, and give no service more than it needs."""

import re
import subprocess
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn
from sqlalchemy import create_engine, text

from libs.common.db.models import SCHEMA, Base
from libs.common.stack.addresses import StackAddresses
from libs.common.stack.binaries import client_program
from libs.common.stack.databases import administration, create_database, drop_database
from libs.common.testing.databases import ScratchDatabase
from migrations.runner import downgrade, upgrade

NAMES = ("adsp_test_migrated", "adsp_test_modelled")


@pytest.fixture
def two_databases(stack: StackAddresses) -> Iterator[tuple[ScratchDatabase, ScratchDatabase]]:
    """Give two empty databases."""
    with administration(stack) as cursor:
        for name in NAMES:
            drop_database(cursor, name)
            create_database(cursor, name)
    migrated, modelled = (ScratchDatabase(name, stack) for name in NAMES)
    yield migrated, modelled
    with administration(stack) as cursor:
        for name in NAMES:
            drop_database(cursor, name)


def _schema_of(database: ScratchDatabase) -> list[str]:
    """Return the statements that would make the database's tables again, each once, in one order."""
    parts = parse_dsn(database.superuser_dsn)
    dump = subprocess.run(
        [
            client_program("pg_dump"),
            "--schema-only",
            "--no-owner",
            "--no-privileges",
            "--exclude-table=*.alembic_version",
            f"--host={parts['host']}",
            f"--port={parts['port']}",
            f"--username={parts['user']}",
            parts["dbname"],
        ],
        env={"PGPASSWORD": parts["password"]},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = [line for line in dump.splitlines() if line and not line.startswith(("--", "\\"))]
    statements = re.split(r"(?<=;)\n", "\n".join(lines))
    return sorted("\n".join(sorted(statement.splitlines())) for statement in statements)


def test_the_migrations_make_what_the_models_declare(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    """Compared by what pg_dump says: columns, defaults, checks, indexes, keys and comments."""
    migrated, modelled = two_databases
    upgrade(migrated.url_for("owner"))
    engine = create_engine(modelled.url_for("owner"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        Base.metadata.create_all(connection)
    engine.dispose()

    assert _schema_of(migrated) == _schema_of(modelled)


def test_every_migration_can_be_taken_back_and_applied_again(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    """After the way down nothing is left but the empty schema."""
    migrated, empty = two_databases
    url = migrated.url_for("owner")
    upgrade(url)
    at_head = _schema_of(migrated)

    downgrade(url, "base")
    at_base = _schema_of(migrated)
    upgrade(url)

    engine = create_engine(empty.url_for("owner"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    engine.dispose()
    assert at_base == _schema_of(empty)
    assert _schema_of(migrated) == at_head


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("api", "CREATE TABLE public.mine ()"),
        ("api", "INSERT INTO public.items SELECT"),
        ("api", "UPDATE adsp.chunks SET attempt = 0"),
        ("api", "DELETE FROM adsp.jobs"),
        ("api", "INSERT INTO adsp.api_keys SELECT"),
        ("api", "DELETE FROM adsp.api_keys"),
        ("api", "UPDATE adsp.api_keys SET scopes = '{admin}'"),
        ("api", "UPDATE adsp.api_keys SET revoked_at = NULL"),
        ("api", "DELETE FROM adsp.failed_rows"),
        ("api", "TRUNCATE adsp.jobs"),
        ("api", "ALTER TABLE adsp.jobs ADD COLUMN mine text"),
        ("api", "CREATE TEMPORARY TABLE mine ()"),
        ("api", "SET ROLE adsp_owner"),
        ("worker", "SELECT FROM adsp.api_keys"),
        ("worker", "SELECT FROM public.items"),
        ("worker", "DROP TABLE adsp.chunks"),
        ("worker", "SET ROLE adsp_owner"),
        ("loader", "SELECT FROM adsp.api_keys"),
        ("loader", "DELETE FROM adsp.jobs"),
        ("loader", "INSERT INTO adsp.jobs SELECT"),
        ("loader", "UPDATE adsp.datasets SET definition = '{}'"),
        ("loader", "ALTER TABLE public.items DISABLE TRIGGER ALL"),
        ("loader", "CREATE SCHEMA mine"),
        ("loader", "COPY public.items TO PROGRAM 'cat'"),
        ("loader", "COPY public.items FROM '/etc/passwd'"),
        ("loader", "SET ROLE adsp_owner"),
        ("worker", "CREATE TABLE adsp.mine ()"),
        ("worker", "INSERT INTO public.items SELECT"),
        ("worker", "INSERT INTO adsp.datasets (name, definition) VALUES ('x', '{}')"),
        ("loader", "CREATE TABLE public.mine ()"),
        ("loader", "TRUNCATE public.items"),
        ("loader", "UPDATE adsp.jobs SET state = 'failed'"),
        ("loader", "DELETE FROM adsp.failed_rows"),
        ("loader", "DROP TABLE public.items"),
    ],
)
def test_a_service_may_not_do_what_is_not_its_work(
    database: ScratchDatabase, role: str, statement: str
) -> None:
    """Least privilege, tried rather than read."""
    connection = psycopg2.connect(database.dsn_for(role))  # type: ignore[arg-type]
    try:
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    finally:
        connection.close()
