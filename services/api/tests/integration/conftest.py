"""Give the tests of the api the app on the real servers."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
import structlog

from libs.common.ledger.api_keys import ApiKey
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.vhosts import ScratchVhost
from services.api.settings import ApiSettings
from services.api.tests.integration.api_bench import ITEMS, Ledger, MakeKey, SettingsWith, serving


@pytest.fixture(autouse=True, scope="session")
def plain_log() -> Iterator[None]:
    """Write tracebacks as plain text: with every local variable they take seconds."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def settings_with(
    database: ScratchDatabase,
    vhost: ScratchVhost,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> SettingsWith:
    """Return a function that makes settings for the real servers, changed as asked."""
    folder = tmp_path_factory.mktemp("api")

    def make(**changes: Any) -> ApiSettings:
        defaults = {
            "database_url": database.url_for("api"),
            "broker_url": vhost.url,
            "redis_url": redis_url,
            "source_roots": [folder / "incoming"],
            "upload_dir": folder / "uploads",
            "auth": False,
            "requests_per_minute": 0,
        }
        return ApiSettings(**{**defaults, **changes})

    return make


@pytest.fixture(scope="session")
def served(settings_with: SettingsWith) -> Iterator[httpx.Client]:
    """Serve the api on the real servers, once for all tests."""
    with serving(settings_with()) as made:
        yield made


@pytest.fixture
def client(served: httpx.Client, clean_database: ScratchDatabase) -> httpx.Client:
    """Return a client of the api on the real servers, with an empty ledger."""
    return served


@pytest.fixture
def root(settings_with: SettingsWith) -> Path:
    """Return the folder that sources may lie in, empty."""
    folder = settings_with().source_roots[0]
    return _emptied(folder)


@pytest.fixture
def upload_dir(settings_with: SettingsWith) -> Path:
    """Return the upload area, empty."""
    return _emptied(settings_with().upload_dir)


@pytest.fixture
def ledger(clean_database: ScratchDatabase) -> Iterator[Ledger]:
    """Return a look at the ledger."""
    with closing(psycopg2.connect(clean_database.superuser_dsn)) as connection:
        connection.autocommit = True
        yield Ledger(connection)


@pytest.fixture(scope="module")
def guarded(settings_with: SettingsWith) -> Iterator[httpx.Client]:
    """Serve an api that asks for keys."""
    with serving(settings_with(auth=True)) as client:
        yield client


@pytest.fixture
def make_key(clean_database: ScratchDatabase, ledger: Ledger) -> MakeKey:
    """Return a function that puts a key on record and gives its text."""

    def make(*scopes: str, owner: str = "prices") -> str:
        key = ApiKey.make()
        ledger.execute(
            "INSERT INTO adsp.api_keys (id, name, owner, scopes, digest) VALUES (%s, 'a', %s, %s, %s)",
            key.id,
            owner,
            list(scopes),
            key.digest,
        )
        return key.text

    return make


@pytest.fixture
def items(client: httpx.Client, root: Path) -> Path:
    """Make the dataset `items` and its file of 2026-01-02; return the file."""
    assert client.put("/v1/datasets/items", json=ITEMS).status_code == 201
    path = root / "items-2026-01-02.csv"
    path.write_text("sku,name,category,price,quantity,updated_at\n")
    return path


@pytest.fixture
def job(client: httpx.Client, items: Path) -> str:
    """Make a job of the file of `items` and return its id."""
    answer = client.post("/v1/jobs", json={"dataset": "items", "data_date": "2026-01-02"})
    assert answer.status_code == 202
    return str(answer.json()["id"])


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
