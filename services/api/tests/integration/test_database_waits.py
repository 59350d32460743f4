"""The api waits for Postgres within a bound, and otherwise as ever."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import extensions
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from libs.common.ledger.session import make_engine
from libs.devstack.testing.databases import ScratchDatabase
from services.api.database_timeouts import bound_waits
from services.api.dependencies import Dependencies
from services.api.tests.integration.api_bench import SettingsWith, silent_server

BOUND = 1.0


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Bound the waits of this process, for as long as the test runs."""
    bound_waits(BOUND, BOUND)
    yield
    extensions.set_wait_callback(None)


def test_a_silence_is_given_up_and_the_connection_is_closed(database: ScratchDatabase) -> None:
    """To Postgres it is a client that left; the next one is served."""
    start = time.monotonic()
    with closing(psycopg2.connect(database.dsn_for("api"))) as connection:
        with pytest.raises(psycopg2.OperationalError, match="said nothing for 1 s"):
            connection.cursor().execute("SELECT pg_sleep(30)")

        assert connection.closed
    assert time.monotonic() - start < 5 * BOUND


def test_a_server_that_takes_connections_and_says_nothing_is_given_up() -> None:
    with silent_server() as port, pytest.raises(psycopg2.OperationalError, match="said nothing"):
        psycopg2.connect(f"postgresql://adsp_api@127.0.0.1:{port}/adsp?sslmode=disable")


def test_long_answers_that_keep_coming_are_read(database: ScratchDatabase) -> None:
    """Ten megabytes, and a client that takes longer over them than the bound: only silence counts."""
    with closing(psycopg2.connect(database.dsn_for("api"))) as connection:
        cursor = connection.cursor("named")
        cursor.execute("SELECT repeat('x', 100000) FROM generate_series(1, 100)")
        first = cursor.fetchmany(50)
        threading.Event().wait(1.5 * BOUND)
        rest = cursor.fetchmany(60)

    assert [len(value) for (value,) in first + rest] == [100_000] * 100


def test_a_statement_that_takes_too_long_is_ended_by_postgres(settings_with: SettingsWith) -> None:
    """Given up by the api alone, it would go on in Postgres and take the cores from all others."""
    dependencies = Dependencies.from_settings(settings_with(database_read_timeout=BOUND))
    with closing(dependencies), dependencies.engine.connect() as connection:
        start = time.monotonic()
        with pytest.raises(OperationalError, match="statement timeout"):
            connection.execute(text("SELECT count(*) FROM generate_series(1, 1000000000)"))
        connection.rollback()

        assert time.monotonic() - start < 3 * BOUND
        assert connection.scalar(text("SELECT 1")) == 1


def test_the_pool_replaces_a_connection_that_was_given_up(settings_with: SettingsWith) -> None:
    engine = make_engine(settings_with(database_pool_size=1), "adsp-test")
    with engine.connect() as connection, pytest.raises(Exception, match="said nothing"):
        connection.execute(text("SELECT pg_sleep(30)"))

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
