"""A savepoint costs no round trip, undoes what its block did, and shifts the places that Postgres names."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql

from libs.common.postgres.copy.statements import copy_in
from libs.devstack.testing.databases import ScratchDatabase
from services.loader.savepoint import Savepoint, SavepointCursor


@pytest.fixture
def cursor(database: ScratchDatabase) -> Iterator[SavepointCursor]:
    """Yield a cursor in a transaction that has a table."""
    with closing(psycopg2.connect(database.superuser_dsn)) as connection:
        made: SavepointCursor = connection.cursor(cursor_factory=SavepointCursor)
        made.execute("CREATE TEMPORARY TABLE t (n int PRIMARY KEY) ON COMMIT DROP")
        yield made


def rows(cursor: SavepointCursor) -> list[int]:
    """Return what the table holds."""
    cursor.execute("SELECT n FROM t ORDER BY n")
    return [n for (n,) in cursor.fetchall()]


def test_what_a_block_did_is_undone_when_it_raises_and_kept_else(cursor: SavepointCursor) -> None:
    savepoint = Savepoint(cursor)

    for n in (1, 2, 1, 3):
        try:
            with savepoint:
                cursor.execute(sql.SQL("INSERT INTO t VALUES ({})").format(sql.Literal(n)))
        except psycopg2.errors.UniqueViolation:
            assert n == 1
    with pytest.raises(psycopg2.errors.UniqueViolation), savepoint:
        copy_in(cursor, "COPY t FROM STDIN", b"4\n1\n")
    with savepoint:
        copy_in(cursor, "COPY t FROM STDIN", b"5\n6\n")
    savepoint.settle()

    assert rows(cursor) == [1, 2, 3, 5, 6]


def test_a_block_that_sends_nothing_leaves_all_as_it_is(cursor: SavepointCursor) -> None:
    savepoint = Savepoint(cursor)

    with savepoint:
        pass
    with savepoint:
        cursor.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(ValueError, match="before"), savepoint:
        raise ValueError("before its first statement")

    savepoint.settle()
    assert rows(cursor) == [1]


def test_the_prefix_is_counted_in_the_places_that_postgres_names(cursor: SavepointCursor) -> None:
    statement = "INSERT INTO t VALUES ('x')"
    savepoint = Savepoint(cursor)

    with pytest.raises(psycopg2.errors.InvalidTextRepresentation) as error, savepoint:
        cursor.execute(statement)

    place = int(error.value.diag.statement_position or 0) - cursor.prefix_length
    assert statement[place - 1 :] == "'x')"
    savepoint.settle()
    assert cursor.prefix_length > 0
    assert rows(cursor) == []
    assert cursor.prefix_length == 0
