"""Failed rows are kept by month: what was there stays where it was, months are made ahead, empty ones go."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor

from libs.common.ids import earliest_uuid7, uuid7
from libs.devstack.addresses import StackAddresses
from libs.devstack.cluster import administration, create_database, drop_database
from libs.devstack.testing.databases import ScratchDatabase
from migrations.runner import downgrade, upgrade

NAME = f"test_months_{os.getpid()}"
OLD = "00000000-0000-7000-8000-000000000001"
ADD = """
INSERT INTO adsp.failed_rows (job_id, chunk_number, line_number, byte_offset, raw, stage, error_code, message)
SELECT %s, 0, n, n, 'x', 'parse', 'missing-cell', 'm' FROM generate_series(1, 3) AS n
"""
PARTITIONS = """
SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'adsp.failed_rows'::regclass ORDER BY 1
"""


@pytest.fixture
def database(stack: StackAddresses) -> Iterator[ScratchDatabase]:
    """Return a database that is as it was before the months."""
    with administration(stack) as cursor:
        drop_database(cursor, NAME)
        create_database(cursor, NAME)
    database = ScratchDatabase(NAME, stack)
    upgrade(database.url_for("owner"), "0014")
    yield database
    with administration(stack) as cursor:
        drop_database(cursor, NAME)


@pytest.fixture
def cursor(database: ScratchDatabase) -> Iterator[Cursor]:
    """Return a cursor of the administrator's."""
    with closing(psycopg2.connect(database.superuser_dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def _fetch(cursor: Cursor, statement: str, *parameters: object) -> list[Any]:
    cursor.execute(statement, parameters)
    return cursor.fetchall()


def test_rows_keep_their_ids_and_places_on_the_way_there_and_back(
    database: ScratchDatabase, cursor: Cursor
) -> None:
    cursor.execute(ADD, (OLD,))
    rows = "SELECT * FROM adsp.failed_rows ORDER BY job_id, byte_offset"
    before = _fetch(cursor, rows)
    file = "SELECT tableoid::regclass::text, pg_relation_filenode(tableoid) FROM adsp.failed_rows"
    [(_, file_before)] = set(_fetch(cursor, file))

    upgrade(database.url_for("owner"))

    assert _fetch(cursor, rows) == before
    [(partition, file_after)] = set(_fetch(cursor, file))
    assert partition.startswith("adsp.failed_rows_before_")
    assert file_after == file_before
    new = str(uuid7())
    cursor.execute(ADD, (new,))
    with_new = _fetch(cursor, rows)
    assert len({row[0] for row in with_new}) == len(with_new) == 6

    downgrade(database.url_for("owner"), "0014")

    assert _fetch(cursor, rows) == with_new
    cursor.execute(ADD, (str(uuid7()),))
    assert len({row[0] for row in _fetch(cursor, rows)}) == 9


def test_ids_stay_unique_where_nothing_is_written_between_there_and_back(
    database: ScratchDatabase, cursor: Cursor
) -> None:
    cursor.execute(ADD, (OLD,))
    for _ in range(2):
        upgrade(database.url_for("owner"))
        downgrade(database.url_for("owner"), "0014")

    cursor.execute(ADD, (str(uuid7()),))

    assert len(set(_fetch(cursor, "SELECT id FROM adsp.failed_rows"))) == 6


def test_rows_of_a_clock_that_was_ahead_stay_where_they_are(
    database: ScratchDatabase, cursor: Cursor
) -> None:
    cursor.execute(ADD, (str(earliest_uuid7(datetime(2031, 3, 4, tzinfo=UTC))),))

    upgrade(database.url_for("owner"))

    places = "SELECT DISTINCT tableoid::regclass::text FROM adsp.failed_rows"
    assert _fetch(cursor, places) == [("adsp.failed_rows_before_2031_04",)]


def test_months_are_made_ahead_and_empty_ones_are_dropped_when_they_are_over(
    database: ScratchDatabase, cursor: Cursor
) -> None:
    upgrade(database.url_for("owner"))
    [before] = [name for (name,) in _fetch(cursor, PARTITIONS) if "before" in name]
    cursor.execute(ADD, (OLD,))
    cursor.execute(f"ALTER TABLE {before} RENAME TO failed_rows_before_2019_01")
    keep = "SELECT adsp.keep_failed_row_months(3)"

    cursor.execute(keep)
    kept = [name for (name,) in _fetch(cursor, PARTITIONS)]
    cursor.execute("DELETE FROM adsp.failed_rows")
    changes = [_fetch(cursor, keep) for _ in range(2)]

    assert "adsp.failed_rows_before_2019_01" in kept
    left = [name for (name,) in _fetch(cursor, PARTITIONS)]
    assert "adsp.failed_rows_before_2019_01" not in left
    month = f"adsp.failed_rows_{datetime.now(UTC):%Y_%m}"
    assert month in left
    assert len(left) == 5
    assert changes[1] == [(0,)]
    cursor.execute(ADD, (str(uuid7()),))
    assert _fetch(cursor, "SELECT DISTINCT tableoid::regclass::text FROM adsp.failed_rows") == [
        (month,)
    ]


def test_a_load_that_writes_failed_rows_holds_up_no_new_month(
    database: ScratchDatabase, cursor: Cursor
) -> None:
    """It locks the table and its own month, until it ends."""
    upgrade(database.url_for("owner"))
    last = [name for (name,) in _fetch(cursor, PARTITIONS) if name[17].isdigit()][-1]
    cursor.execute(f"DROP TABLE {last}")
    with closing(psycopg2.connect(database.superuser_dsn)) as load, load.cursor() as loading:
        loading.execute(ADD, (str(uuid7()),))
        cursor.execute("SELECT adsp.keep_failed_row_months(3)")
        assert cursor.fetchone() == (1,)
        load.commit()

    assert (last,) in _fetch(cursor, PARTITIONS)
