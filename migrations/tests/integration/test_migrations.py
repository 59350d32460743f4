"""The migrations make what the models declare and can be taken back."""

import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn
from sqlalchemy import create_engine, text

from libs.common.ledger.models import SCHEMA, Base
from libs.devstack.addresses import StackAddresses
from libs.devstack.binaries import client_program
from libs.devstack.cluster import administration, create_database, drop_database
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.waiting import wait_for
from migrations.runner import downgrade, upgrade

_DROP_WHAT_IS_NOT_MODELLED = """
DO $$ DECLARE statement text; BEGIN
    FOR statement IN
        SELECT format('DROP FUNCTION %s CASCADE', oid::regprocedure)
        FROM pg_proc WHERE pronamespace = 'adsp'::regnamespace
        UNION ALL
        SELECT format('DROP VIEW %s', oid::regclass)
        FROM pg_class WHERE relnamespace = 'adsp'::regnamespace AND relkind = 'v'
    LOOP EXECUTE statement; END LOOP;
END $$
"""
NAMES = tuple(f"test_{name}_{os.getpid()}" for name in ("migrated", "modelled"))
_JOB_WITH_FAILED_ROWS = """
WITH job AS (
    INSERT INTO adsp.jobs (id, dataset, definition, definition_version, data_date, source, trigger, state)
    VALUES (:job, 'd', '{}', 1, '2026-01-02', 's', 'api', 'running')
), chunk AS (
    INSERT INTO adsp.chunks (job_id, number, byte_start, first_line) VALUES (:job, 0, 0, 1), (:job, 1, 9, 2)
)
INSERT INTO adsp.failed_rows
    (job_id, chunk_number, line_number, byte_offset, raw, stage, error_code, message)
SELECT :job, number, number + 2, 9 * number, 'x', 'parse', 'missing-cell', 'm'
FROM generate_series(0, 1) AS number
"""


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
            "--exclude-schema=adsp_staging",  # has no tables but for loads under way
            "--exclude-table=adsp.failed_rows_*",  # months come and go
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
    stack: StackAddresses, two_databases: tuple[ScratchDatabase, ScratchDatabase]
) -> None:
    """Compared by what pg_dump says: columns, defaults, checks, indexes, keys and comments, not triggers and views."""
    migrated, modelled = two_databases
    upgrade(migrated.url_for("owner"))
    engine = create_engine(modelled.url_for("owner"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        Base.metadata.create_all(connection)
    engine.dispose()

    with administration(stack, migrated.name) as cursor:
        cursor.execute(_DROP_WHAT_IS_NOT_MODELLED)
    assert _schema_of(migrated) == _schema_of(modelled)


_FOREIGN_KEYS_WITHOUT_INDEX = """
SELECT c.conrelid::regclass::text, c.conname
FROM pg_constraint AS c
WHERE
    c.contype = 'f' AND c.confrelid = 'adsp.jobs'::regclass
    AND NOT EXISTS (
        SELECT FROM pg_index AS i
        WHERE
            i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND array_length(c.conkey, 1) = 1
            AND coalesce(pg_get_expr(i.indpred, i.indrelid), '') IN (
                '',
                (
                    SELECT format('(%I IS NOT NULL)', a.attname)
                    FROM pg_attribute AS a
                    WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
                )
            )
    )
"""


def test_jobs_that_name_another_are_found_by_an_index(
    stack: StackAddresses, two_databases: tuple[ScratchDatabase, ScratchDatabase]
) -> None:
    """Else to delete one job reads all of them."""
    migrated, _ = two_databases
    upgrade(migrated.url_for("owner"))

    with administration(stack, migrated.name) as cursor:
        cursor.execute(_FOREIGN_KEYS_WITHOUT_INDEX)
        assert cursor.fetchall() == []
        cursor.execute("DROP INDEX adsp.ix_jobs_duplicate_of")
        cursor.execute(_FOREIGN_KEYS_WITHOUT_INDEX)
        assert [name for _, name in cursor.fetchall()] == ["fk_jobs_duplicate_of"]


def test_migration_0005_can_be_run_again_when_it_was_cut_off(
    stack: StackAddresses, two_databases: tuple[ScratchDatabase, ScratchDatabase]
) -> None:
    """It commits on its way, before Alembic notes that it is done."""
    migrated, _ = two_databases
    upgrade(migrated.url_for("owner"))
    at_head = _schema_of(migrated)
    with administration(stack, migrated.name) as cursor:
        cursor.execute("UPDATE adsp.alembic_version SET version_num = '0004'")

    upgrade(migrated.url_for("owner"), "0005")

    assert _schema_of(migrated) == at_head


def test_a_database_that_is_not_utf_8_is_refused(
    stack: StackAddresses, two_databases: tuple[ScratchDatabase, ScratchDatabase]
) -> None:
    """Its ledger could not hold what files of other alphabets say."""
    other, _ = two_databases
    with administration(stack) as cursor:
        drop_database(cursor, other.name)
        cursor.execute(
            f"CREATE DATABASE {other.name} OWNER adsp_owner TEMPLATE template0"
            " ENCODING 'LATIN1' LOCALE 'C'"
        )

    with pytest.raises(Exception, match=r"encoding LATIN1, ADSP needs UTF8.*CREATE DATABASE"):
        upgrade(other.url_for("owner"))

    with administration(stack, other.name) as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'adsp'")
        assert cursor.fetchone() == (0,)


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


def test_an_index_waits_for_statements_under_way_longer_than_for_locks(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    """A load may be in a statement of minutes; the build of an index holds nobody up meanwhile."""
    migrated, _ = two_databases
    url = migrated.url_for("owner")
    upgrade(url, "0003")
    with (
        closing(psycopg2.connect(migrated.superuser_dsn)) as load,
        closing(psycopg2.connect(migrated.superuser_dsn)) as watch,
        ThreadPoolExecutor(1) as pool,
        load.cursor() as loading,
        watch.cursor() as watching,
    ):
        watch.autocommit = True
        loading.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        migrating = pool.submit(upgrade, url, "0004")

        def has_waited() -> bool:
            watching.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND query LIKE 'CREATE%CONCURRENTLY%' AND wait_event = 'virtualxid'"
                " AND clock_timestamp() - query_start > interval '5500 ms'"
            )
            return watching.fetchone() is not None

        try:
            wait_for(lambda: migrating.done() or has_waited(), 30, "the build waits")
            was_done = migrating.done()
        finally:
            load.rollback()
        migrating.result(30)

    assert not was_done


def test_the_failed_rows_of_a_deleted_job_go_with_its_chunks(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    """What a foreign key would do, the trigger does, and only that."""
    migrated, _ = two_databases
    upgrade(migrated.url_for("owner"))
    engine = create_engine(migrated.url_for("owner"))
    cut, gone = (f"00000000-0000-7000-8000-00000000000{number}" for number in (1, 2))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO adsp.datasets (name, definition) VALUES ('d', '{}')"))
        for job in (cut, gone):
            connection.execute(text(_JOB_WITH_FAILED_ROWS), {"job": job})
        connection.execute(
            text("DELETE FROM adsp.chunks WHERE job_id = :job AND number = 0"), {"job": cut}
        )
        connection.execute(text("DELETE FROM adsp.jobs WHERE id = :job"), {"job": gone})
        left = connection.execute(text("SELECT job_id::text, chunk_number FROM adsp.failed_rows"))
        rows = [tuple(row) for row in left]
    engine.dispose()

    assert rows == [(cut, 1)]


def test_without_migration_0002_a_conversion_error_counts_as_a_type_error(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    migrated, _ = two_databases
    upgrade(migrated.url_for("owner"))
    engine = create_engine(migrated.url_for("owner"))
    job = "00000000-0000-7000-8000-000000000001"
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO adsp.datasets (name, definition) VALUES ('d', '{}')"))
        connection.execute(text(_JOB_WITH_FAILED_ROWS), {"job": job})
        connection.execute(
            text(
                "UPDATE adsp.failed_rows SET error_code = 'conversion-error', stage = 'convert'"
                " WHERE line_number = 2;"
                ' UPDATE adsp.jobs SET rejected_by_code = \'{"conversion-error"\\: 2, "type-error"\\: 1}\';'
                " DELETE FROM adsp.failed_row_counters;"
                " INSERT INTO adsp.failed_row_counters VALUES ('d', 'conversion-error', 2), ('d', 'type-error', 1)"
            )
        )

    downgrade(migrated.url_for("owner"), "0001")

    with engine.begin() as connection:
        codes = connection.scalars(
            text("SELECT error_code FROM adsp.failed_rows ORDER BY line_number")
        )
        counts = connection.scalar(text("SELECT rejected_by_code FROM adsp.jobs"))
        counters = connection.execute(
            text("SELECT error_code, failed_rows FROM adsp.failed_row_counters")
        ).all()
        assert (list(codes), counts) == (["type-error", "missing-cell"], {"type-error": 3})
        assert [tuple(row) for row in counters] == [("type-error", 3)]
    engine.dispose()


def test_a_job_without_a_version_gets_that_of_its_time(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    migrated, _ = two_databases
    upgrade(migrated.url_for("owner"), "0005")
    engine = create_engine(migrated.url_for("owner"))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO adsp.datasets (name, definition) VALUES ('d', '{}');"
                ' UPDATE adsp.datasets SET definition = \'{"table"\\: "t"}\';'
                " UPDATE adsp.dataset_versions SET created_at = created_at + (version - 1) * interval '1 h';"
                " INSERT INTO adsp.jobs (id, dataset, definition, data_date, source, trigger, created_at)"
                " SELECT gen_random_uuid(), 'd', '{}', '2026-01-02', 's', 'api', now() + age"
                " FROM unnest('{-1 h,1 min,2 h}'::interval[]) AS age"
            )
        )

    upgrade(migrated.url_for("owner"), "0009")

    with engine.begin() as connection:
        versions = connection.scalars(
            text("SELECT definition_version FROM adsp.jobs ORDER BY created_at")
        )
        assert list(versions) == [1, 1, 2]
    engine.dispose()


def test_without_migration_0012_keys_keep_what_is_for_all_datasets(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    """A key that has nothing else is revoked."""
    migrated, _ = two_databases
    upgrade(migrated.url_for("owner"))
    with closing(psycopg2.connect(migrated.superuser_dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO adsp.api_keys (id, name, owner, scopes, digest) SELECT repeat(n::text, 12), 'n', 'o',"
                " scopes::text[], sha256('x') FROM (VALUES (1, '{read,submit:a}'), (2, '{submit:a*}'), (3, '{admin}'))"
                " AS made (n, scopes)"
            )
            downgrade(migrated.url_for("owner"), "0011")
            cursor.execute(
                "SELECT scopes, revoked_at IS NULL FROM adsp.api_keys WHERE owner = 'o' ORDER BY id"
            )
            left = cursor.fetchall()
            cursor.execute("DELETE FROM adsp.api_keys WHERE owner = 'o'")
    upgrade(migrated.url_for("owner"))

    assert left == [(["read"], True), (["read"], False), (["admin"], True)]


def test_without_migration_0014_jobs_of_backfills_are_the_apis(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    """Those that are held would be sent by nobody, and what has been counted must not be lost."""
    migrated, _ = two_databases
    upgrade(migrated.url_for("owner"))
    engine = create_engine(migrated.url_for("owner"))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO adsp.datasets (name, definition) VALUES ('d', '{}');"
                "INSERT INTO adsp.jobs (id, dataset, definition, definition_version, data_date, source, trigger, state,"
                " next_attempt_at) SELECT gen_random_uuid(), 'd', '{}', 1, '2026-01-02', 's', trigger, 'queued', NULL"
                " FROM unnest('{api,backfill,backfill,backfill}'::text[]) AS trigger;"
                "UPDATE adsp.jobs SET state = 'cancelled', finished_at = now() WHERE trigger = 'api' OR id IN"
                " (SELECT id FROM adsp.jobs WHERE trigger = 'backfill' LIMIT 2)"
            )
        )

    downgrade(migrated.url_for("owner"), "0013")

    with engine.begin() as connection:
        jobs = text(
            "SELECT trigger, state, next_attempt_at IS NULL, count(*) FROM adsp.jobs GROUP BY 1, 2, 3 ORDER BY 2"
        )
        assert [tuple(row) for row in connection.execute(jobs)] == [
            ("api", "cancelled", True, 3),
            ("api", "queued", False, 1),
        ]
        counted = text("SELECT trigger, state, jobs FROM adsp.job_counters")
        assert [tuple(row) for row in connection.execute(counted)] == [("api", "cancelled", 3)]
    engine.dispose()
