"""Give the tests of the console a whole system that asks for keys, and browsers that look at it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest
from playwright.sync_api import BrowserContext, Page

from libs.common.ledger.api_keys import ApiKey
from libs.devstack.ports import free_port
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.fixtures import EnvironmentFor
from tests.browser.chromium import WIDE, browser_window, require_chromium
from tests.browser.site import Site
from tests.endtoend.system import SERVICES, System

OpenWindow = Callable[..., BrowserContext]


@pytest.fixture(scope="session")
def site(
    database: ScratchDatabase,
    environment_for: EnvironmentFor,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Start the services once, and put an administrator's key on record."""
    require_chromium()
    system = System(
        folder=tmp_path_factory.mktemp("system"),
        database=database,
        environment_of=environment_for,  # type: ignore[arg-type]
        port=free_port(),
        variables={"ADSP_AUTH": "on", "ADSP_CHUNK_BYTES": str(1 << 20)},
    )
    system.incoming.mkdir()
    for service in SERVICES:
        system.start(service)
    try:
        system.wait_ready()
        yield Site(system, _make_key(database))
    finally:
        system.stop()


@pytest.fixture
def window(tmp_path: Path) -> Iterator[OpenWindow]:
    """Return a function that opens a browser; each is closed at the end of the test."""
    with ExitStack() as open_windows:

        def open_one(
            width: int = WIDE, *, scripts: bool = True, scheme: str = "light"
        ) -> BrowserContext:
            folder = tmp_path / f"profile-{width}-{scripts}-{scheme}"
            return open_windows.enter_context(
                browser_window(folder, width, scripts=scripts, scheme=scheme)
            )

        yield open_one


@pytest.fixture
def page(site: Site, window: OpenWindow) -> Page:
    """Return a wide page of somebody who has signed in."""
    return site.sign_in(window().new_page())


def _make_key(database: ScratchDatabase) -> str:
    key = ApiKey.make()
    with (
        closing(psycopg2.connect(database.superuser_dsn)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO adsp.api_keys (id, name, owner, scopes, digest) VALUES (%s, 'a', 'ops', '{admin}', %s)",
            (key.id, key.digest),
        )
    return key.text
