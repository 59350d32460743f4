"""Sessions of the ledger end with the host at their other end, and a worker waits for Postgres with its message."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from libs.common.ledger.session import make_engine
from libs.common.messaging.tests.relay import Relay, relay_to
from libs.common.postgres.silence import SERVER_SIDE
from libs.common.settings import DatabaseSettings
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.waiting import wait_for

PATIENCE = 20.0


@contextmanager
def behind_a_relay(database: ScratchDatabase, patience: float) -> Iterator[tuple[Relay, Engine]]:
    """Give an engine whose way to Postgres is refused."""
    url = make_url(database.url_for("worker"))
    assert url.host is not None
    assert url.port is not None
    with relay_to(url.host, url.port) as relay:
        relay.refuse()
        through = url.set(port=relay.port).render_as_string(hide_password=False)
        engine = make_engine(DatabaseSettings(database_url=through), "test", patience=patience)
        yield relay, engine
        engine.dispose()


def ask(engine: Engine) -> int:
    """Ask Postgres something."""
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT 1")) or 0)


def test_a_backend_asks_whether_its_client_is_still_there(database: ScratchDatabase) -> None:
    """Postgres itself would wait two hours for a host that died without a word, with all that it has locked."""
    engine = make_engine(DatabaseSettings(database_url=database.url_for("worker")), "test")
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp\\_%'")
        )
        settings = {row.name: row.setting for row in found}
    engine.dispose()

    assert settings == SERVER_SIDE


def test_an_engine_with_patience_tries_until_postgres_is_reached(database: ScratchDatabase) -> None:
    with behind_a_relay(database, PATIENCE) as (relay, engine), ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, engine)
        wait_for(lambda: relay.refused > 1, PATIENCE, "it has tried more than once")
        was_done = asking.done()
        relay.accept()

        assert asking.result(PATIENCE) == 1
        assert not was_done


@pytest.mark.parametrize("patience", [0.0, 1.0])
def test_patience_has_an_end(database: ScratchDatabase, patience: float) -> None:
    with (
        behind_a_relay(database, patience) as (relay, engine),
        pytest.raises(OperationalError),
    ):
        ask(engine)

    assert (relay.refused == 1) == (patience == 0)
