"""Of several hosts one that serves is found in bounded time, and asked first from then on."""

import socket
from collections.abc import Iterator
from contextlib import closing
from time import monotonic

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from libs.common.database_url import read_database_url
from libs.common.ledger.session import make_engine
from libs.common.postgres.hosts import DatabaseHosts, connection_parameters
from libs.common.settings import DatabaseSettings
from libs.devstack.ports import LOOPBACK, free_port
from libs.devstack.testing.databases import ScratchDatabase


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Give the port of a server that takes connections and never says a word."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def _url(database: ScratchDatabase, *first: int) -> str:
    """Return a URL that names other ports before that of the database."""
    url = database.url_for("api")
    place = f"{LOOPBACK}:{database.addresses.postgres_port}"
    others = "".join(f"{LOOPBACK}:{port}," for port in first)
    return read_database_url(url.replace(place, others + place))


def test_who_never_answers_is_passed_over_once(database: ScratchDatabase, silent_port: int) -> None:
    parameters = {
        **connection_parameters(_url(database, silent_port, free_port())),
        "connect_timeout": 2,
    }
    hosts = DatabaseHosts()
    hosts.connect(parameters).close()
    start = monotonic()

    with closing(hosts.connect(parameters)) as again:
        assert again.info.port == database.addresses.postgres_port
    assert monotonic() - start < 1


def test_when_nobody_serves_each_says_why(silent_port: int) -> None:
    url = f"postgresql://nobody@{LOOPBACK}:{free_port()},{LOOPBACK}:{silent_port}/nothing"
    parameters = {**connection_parameters(read_database_url(url)), "connect_timeout": 2}

    with pytest.raises(psycopg2.OperationalError, match=r"refused[^;]*; .*timeout expired"):
        DatabaseHosts().connect(parameters)


def test_an_engine_goes_by_the_same_hosts(database: ScratchDatabase, silent_port: int) -> None:
    settings = DatabaseSettings(
        database_url=_url(database, silent_port), database_connect_timeout=2
    )
    engine = make_engine(settings, "test")
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT current_database()"))
    engine.dispose()

    assert found == database.name


def test_connections_to_what_takes_no_changes_are_not_used_again(database: ScratchDatabase) -> None:
    """As those to a standby that was the primary, or of a name that led to one."""
    settings = DatabaseSettings(database_url=database.url_for("owner"))
    engine = make_engine(settings, "test")
    with engine.connect() as connection:
        before = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.rollback()
        connection.execute(text("SET TRANSACTION READ ONLY"))
        with pytest.raises(DBAPIError) as refused:
            connection.execute(text("CREATE TABLE public.never ()"))
    with engine.connect() as connection:
        after = connection.scalar(text("SELECT pg_backend_pid()"))
    engine.dispose()

    assert refused.value.connection_invalidated
    assert before != after
