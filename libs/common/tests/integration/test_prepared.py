"""A prepared question sees the catalog as it is, whatever has become of the statement or of its session."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from libs.common.errors import BadInput
from libs.common.postgres.catalog import read_table
from libs.devstack.testing.databases import ScratchDatabase

_NAMES = "SELECT name FROM pg_prepared_statements WHERE name LIKE 'adsp_target_relation_%'"


@pytest.fixture
def connection(database: ScratchDatabase) -> Iterator[Connection]:
    """Return a superuser's connection whose work is never committed, with a schema `shop`."""
    with closing(psycopg2.connect(database.superuser_dsn)) as made:
        with made.cursor() as cursor:
            cursor.execute("CREATE SCHEMA shop; CREATE TABLE shop.t (id int)")
        yield made


def columns(connection: Connection) -> list[tuple[str, str]]:
    """Return the columns of the table as the catalog question tells them."""
    return [(column.name, column.type) for column in read_table(connection, "shop.t").columns]


def run(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    """Run a statement and return its rows, if it has any."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_each_answer_is_of_the_catalog_as_it_is(connection: Connection) -> None:
    assert columns(connection) == [("id", "integer")]

    run(connection, "ALTER TABLE shop.t ADD v text, ALTER id TYPE bigint, ADD PRIMARY KEY (id)")
    assert columns(connection) == [("id", "bigint"), ("v", "text")]
    assert read_table(connection, "shop.t").find_key(["id"]) is not None

    run(connection, "DROP TABLE shop.t; CREATE TABLE shop.t (other date)")
    assert columns(connection) == [("other", "date")]

    run(connection, "DROP TABLE shop.t")
    with pytest.raises(BadInput, match="there is no table"):
        read_table(connection, "shop.t")


@pytest.mark.parametrize("loss", ["DEALLOCATE ALL", "DISCARD PLANS", "SET search_path TO shop"])
def test_a_session_that_has_lost_its_statements_prepares_them_again(
    connection: Connection, loss: str
) -> None:
    columns(connection)

    run(connection, loss)

    assert columns(connection) == [("id", "integer")]
    assert len(run(connection, _NAMES)) == 1


def test_a_statement_is_prepared_once_also_where_its_first_transaction_is_undone(
    connection: Connection,
) -> None:
    run(connection, "SAVEPOINT here")
    columns(connection)
    run(connection, "ROLLBACK TO SAVEPOINT here")

    assert columns(connection) == [("id", "integer")]
    assert len(run(connection, _NAMES)) == 1


def test_the_plans_of_others_are_chosen_as_before(connection: Connection) -> None:
    """Functions of triggers run in the same session."""
    run(connection, "SET plan_cache_mode = force_custom_plan")

    columns(connection)

    assert run(connection, "SHOW plan_cache_mode") == [("force_custom_plan",)]
