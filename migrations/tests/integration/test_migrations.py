"""The migrations make what the models declare and can be taken back."""

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

NAMES = ("adsp_test_migrated", "adsp_test_modelled")
_JOB_WITH_FAILED_ROWS = """
WITH job AS (
    INSERT INTO adsp.jobs (id, dataset, definition, data_date, source, trigger, state)
    VALUES (:job, 'd', '{}', '2026-01-02', 's', 'api', 'running')
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
    upgrade(url, "0008")
    with (
        closing(psycopg2.connect(migrated.superuser_dsn)) as load,
        closing(psycopg2.connect(migrated.superuser_dsn)) as watch,
        ThreadPoolExecutor(1) as pool,
        load.cursor() as loading,
        watch.cursor() as watching,
    ):
        watch.autocommit = True
        loading.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        migrating = pool.submit(upgrade, url, "0009")

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
    """What a foreign key did before, the trigger does, and only that."""
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


def test_a_waiting_job_is_queued_when_the_state_is_taken_back(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    """An older worker then looks for its source, and ends it one way or the other."""
    migrated, _ = two_databases
    url = migrated.url_for("owner")
    upgrade(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO adsp.datasets (name, definition) VALUES ('d', '{}')"))
        connection.execute(
            text(
                "INSERT INTO adsp.jobs "
                "(id, dataset, definition, data_date, source, trigger, state, waiting_since) "
                "VALUES (gen_random_uuid(), 'd', '{}', '2026-01-02', 's', 'api', 'waiting', now())"
            )
        )

    downgrade(url, "0010")

    with engine.begin() as connection:
        states = connection.execute(text("SELECT state FROM adsp.jobs")).scalars().all()
    engine.dispose()
    assert states == ["queued"]


def test_migration_0016_notes_which_failed_rows_were_cut(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    migrated, _ = two_databases
    url = migrated.url_for("owner")
    upgrade(url)
    downgrade(url, "0012")
    engine = create_engine(url)
    job = "00000000-0000-7000-8000-000000000001"
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO adsp.datasets (name, definition) VALUES ('d', '{}')"))
        connection.execute(text(_JOB_WITH_FAILED_ROWS), {"job": job})
        connection.execute(
            text(
                "UPDATE adsp.failed_rows SET error_code = 'line-too-long',"
                " message = 'the record (bytes 9 to 5009) is longer than 1 bytes; a quote may never close'"
                " WHERE line_number = 3"
            )
        )

    upgrade(url)

    with engine.begin() as connection:
        lengths = connection.scalars(
            text("SELECT record_bytes FROM adsp.failed_rows ORDER BY line_number")
        ).all()
    engine.dispose()
    assert lengths == [None, 5000]


def test_without_migration_0012_a_bare_carriage_return_counts_as_a_malformed_quote(
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
                "UPDATE adsp.failed_rows SET error_code = 'bare-carriage-return' WHERE line_number = 2;"
                ' UPDATE adsp.jobs SET rejected_by_code = \'{"bare-carriage-return"\\: 2, "unique"\\: 1}\''
            )
        )

    downgrade(migrated.url_for("owner"), "0011")

    with engine.begin() as connection:
        codes = connection.scalars(
            text("SELECT error_code FROM adsp.failed_rows ORDER BY line_number")
        )
        counts = connection.scalar(text("SELECT rejected_by_code FROM adsp.jobs"))
        assert (list(codes), counts) == (
            ["malformed-quote", "missing-cell"],
            {"malformed-quote": 2, "unique": 1},
        )
    engine.dispose()


def test_without_migration_0014_a_deleted_dataset_is_never_due_and_a_paused_one_from_now_on(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    migrated, _ = two_databases
    upgrade(migrated.url_for("owner"))
    engine = create_engine(migrated.url_for("owner"))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO adsp.datasets (name, definition, last_due_at, paused_at, deleted_at)"
                ' SELECT name, \'{"schedule"\\: {"cron"\\: "0 0 * * *"}}\', \'2026-01-01\', paused, deleted'
                " FROM (VALUES ('deleted', NULL\\:\\:timestamptz, now()), ('live', NULL, NULL),"
                " ('paused', now(), NULL)) AS d (name, paused, deleted)"
            )
        )

    downgrade(migrated.url_for("owner"), "0012")

    query = "SELECT definition ->> 'schedule' IS NOT NULL, last_due_at > '2026-01-01' FROM adsp.datasets ORDER BY name"
    with engine.begin() as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    assert rows == [(False, None), (True, False), (True, True)]


def test_what_a_dataset_is_becomes_its_first_version(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    migrated, _ = two_databases
    url = migrated.url_for("owner")
    upgrade(url)
    downgrade(url, "0012")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO adsp.datasets (name, definition) VALUES ('d', '[1]')"))

    upgrade(url)

    with engine.begin() as connection:
        connection.execute(text("UPDATE adsp.datasets SET last_due_at = now()"))
        connection.execute(text("UPDATE adsp.datasets SET definition = '[2]'"))
        query = text("SELECT version, definition FROM adsp.dataset_versions ORDER BY version")
        rows = [tuple(row) for row in connection.execute(query)]
    engine.dispose()
    assert rows == [(1, [1]), (2, [2])]


def test_counters_begin_with_the_jobs_that_have_ended(
    two_databases: tuple[ScratchDatabase, ScratchDatabase],
) -> None:
    """Else Prometheus would see all counters begin anew with the upgrade."""
    migrated, _ = two_databases
    url = migrated.url_for("owner")
    upgrade(url, "0012")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO adsp.datasets (name, definition) VALUES ('d', '{}');"
                "INSERT INTO adsp.jobs (id, dataset, definition, data_date, source, trigger, state, finished_at,"
                " bytes_total, rows_read, rows_loaded, rows_rejected, rejected_by_code)"
                " SELECT gen_random_uuid(), 'd', '{}', '2026-01-02', 's', 'api', 'completed_with_rejects', now(),"
                " 100, 5, 3, 2, jsonb_build_object('check', 2) FROM generate_series(1, 3);"
                "INSERT INTO adsp.jobs (id, dataset, definition, data_date, source, trigger)"
                " VALUES (gen_random_uuid(), 'd', '{}', '2026-01-02', 's', 'api')"
            )
        )

    upgrade(url)

    with engine.connect() as connection:
        jobs = connection.execute(text("SELECT * FROM adsp.job_counters")).all()
        failed_rows = connection.execute(text("SELECT * FROM adsp.failed_row_counters")).all()
    engine.dispose()
    assert jobs == [("d", "api", "completed_with_rejects", 3, 15, 9, 6, 0, 300, 0)]
    assert failed_rows == [("d", "check", 6)]


@pytest.mark.parametrize("state", ["running", "succeeded"])
def test_without_migration_0018_a_content_of_two_days_counts_as_forced(
    two_databases: tuple[ScratchDatabase, ScratchDatabase], state: str
) -> None:
    """Also of jobs that were loading when the services stopped."""
    migrated, _ = two_databases
    upgrade(migrated.url_for("owner"))
    engine = create_engine(migrated.url_for("owner"))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO adsp.datasets (name, definition) VALUES ('d', '{}')"))
        connection.execute(
            text(
                "INSERT INTO adsp.jobs (id, dataset, definition, data_date, source, trigger, state, fingerprint,"
                " finished_at)"
                """ SELECT gen_random_uuid(), 'd', '{"mode": "append", "once": "data_date"}',"""
                " date '2026-01-01' + day, 's', 'api', :state, 'x',"
                " CASE WHEN :state <> 'running' THEN now() END FROM generate_series(0, 1) AS day"
            ),
            {"state": state},
        )

    downgrade(migrated.url_for("owner"), "0017")

    with engine.begin() as connection:
        forced = connection.execute(text("SELECT force FROM adsp.jobs")).scalars().all()
    engine.dispose()
    assert forced == [True, True]
