"""What a test process is given is its own, migrated, empty when asked, and gone in the end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
import redis
from psycopg2.extensions import connection as Connection  # a class in lower case

from libs.devstack.addresses import Role, StackAddresses
from libs.devstack.cluster import administration, database_exists
from libs.devstack.management import call_management
from libs.devstack.testing.databases import Migrate, ScratchDatabase, scratch_database
from libs.devstack.testing.fixtures import EnvironmentFor
from libs.devstack.testing.slots import redis_slot
from libs.devstack.testing.vhosts import scratch_vhost


@pytest.fixture(scope="session")
def migrations_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put migrations of this test in place of the real ones; what they do is in `migrate`."""
    folder = tmp_path_factory.mktemp("migrations")
    (folder / "unique.sql").write_text(f"-- {os.getpid()}\n")
    return folder


@pytest.fixture(scope="session")
def migrations_run() -> list[str]:
    """Give the URLs that `migrate` was called with."""
    return []


@pytest.fixture(scope="session")
def migrate(migrations_run: list[str]) -> Migrate:
    """Put a small schema in place of the real one."""

    def upgrade(url: str) -> None:
        migrations_run.append(url)
        with connected(url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA adsp; CREATE TABLE adsp.ledger (entry int)")
            cursor.execute("CREATE TABLE target (entry int); GRANT INSERT ON target TO adsp_loader")
            cursor.execute("CREATE TABLE adsp.alembic_version (version_num text)")
            cursor.execute("INSERT INTO adsp.alembic_version VALUES ('0001')")

    return upgrade


@contextmanager
def connected(dsn: str) -> Iterator[Connection]:
    """Open a connection that commits every statement at once."""
    connection = psycopg2.connect(dsn, connect_timeout=5)
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def rows_of(database: ScratchDatabase, table: str) -> int:
    """Count the rows of a table."""
    with connected(database.dsn_for("owner")) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # a constant of this test
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])


def test_a_clean_database_is_empty_but_stays_migrated(
    database: ScratchDatabase, request: pytest.FixtureRequest
) -> None:
    with connected(database.dsn_for("owner")) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO adsp.ledger VALUES (1); INSERT INTO target VALUES (1)")

    assert request.getfixturevalue("clean_database") is database
    assert rows_of(database, "adsp.ledger") == 0
    assert rows_of(database, "target") == 0
    assert rows_of(database, "adsp.alembic_version") == 1


@pytest.mark.parametrize("role", ["api", "worker", "loader"])
def test_service_roles_enter_but_define_nothing(database: ScratchDatabase, role: Role) -> None:
    with connected(database.dsn_for(role)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        assert cursor.fetchone() == (f"adsp_{role}",)

        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("CREATE TABLE public.mine ()")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("CREATE SCHEMA mine")


def test_the_loader_alone_may_make_temporary_tables(database: ScratchDatabase) -> None:
    with connected(database.dsn_for("loader")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE staging ()")

    with (
        connected(database.dsn_for("api")) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute("CREATE TEMPORARY TABLE staging ()")


def test_the_worker_ends_sessions_of_the_loader(database: ScratchDatabase) -> None:
    with (
        connected(database.dsn_for("loader")) as loader,
        connected(database.dsn_for("worker")) as worker,
        worker.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (loader.info.backend_pid,))

        assert cursor.fetchone() == (True,)


def test_databases_are_copied_from_one_template_and_dropped(
    stack: StackAddresses,
    database: ScratchDatabase,
    migrations_folder: Path,
    migrate: Migrate,
    migrations_run: list[str],
) -> None:
    with scratch_database(stack, migrations_folder, migrate) as other:
        assert other.name != database.name
        assert rows_of(other, "adsp.alembic_version") == 1
        left_open = psycopg2.connect(other.dsn_for("api"))

    assert len(migrations_run) == 1
    with administration(stack) as cursor:
        assert not database_exists(cursor, other.name)
    left_open.close()


def test_valkey_databases_are_not_shared(redis_url: str, tmp_path: Path) -> None:
    with redis_slot(tmp_path) as first, redis_slot(tmp_path) as second:
        assert first != second
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_a_virtual_host_goes_with_its_queues(stack: StackAddresses) -> None:
    with scratch_vhost(stack) as made:
        call_management(stack, "PUT", f"/api/queues/{made.name}/some-queue", {"durable": True})
        assert [queue["name"] for queue in made.queues()] == ["some-queue"]

    names = [vhost["name"] for vhost in call_management(stack, "GET", "/api/vhosts")]
    assert made.name not in names


def test_a_service_is_led_to_this_process_servers(
    environment_for: EnvironmentFor, database: ScratchDatabase, redis_url: str
) -> None:
    variables = environment_for("loader")

    assert variables["ADSP_DATABASE_URL"] == database.url_for("loader")
    assert variables["ADSP_BROKER_URL"].startswith("amqp://")
    assert variables["ADSP_REDIS_URL"] == redis_url
