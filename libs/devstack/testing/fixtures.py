"""Give tests real servers: the fixtures of every test in this repository.

The servers are shared between test processes and started by the first of them; what a process gets
of them (a database, a virtual host, a Valkey database) is its own. The root `conftest.py` names
this module as a plugin.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libs.devstack.addresses import Role, StackAddresses
from libs.devstack.shared import default_folder, shared_stack
from libs.devstack.testing.databases import Migrate, ScratchDatabase, scratch_database
from libs.devstack.testing.slots import flush, redis_slot
from libs.devstack.testing.vhosts import ScratchVhost, scratch_vhost

EnvironmentFor = Callable[[Role], dict[str, str]]


@pytest.fixture(scope="session")
def stack() -> Iterator[StackAddresses]:
    """Give the addresses of the running servers."""
    with shared_stack() as addresses:
        yield addresses


@pytest.fixture(scope="session")
def migrations_folder() -> Path:
    """Give the folder of the migrations; the tests of the fixtures put another one here."""
    import migrations.runner  # noqa: PLC0415  # only tests with a database need it

    return Path(migrations.runner.__file__).parent


@pytest.fixture(scope="session")
def migrate() -> Migrate:
    """Give the function that migrates the database of a URL."""
    from migrations.runner import upgrade  # noqa: PLC0415  # only tests with a database need it

    return upgrade


@pytest.fixture(scope="session")
def database(
    stack: StackAddresses, migrations_folder: Path, migrate: Migrate
) -> Iterator[ScratchDatabase]:
    """Give this process a migrated database; rows stay from test to test, see `clean_database`."""
    with scratch_database(stack, migrations_folder, migrate) as made:
        yield made


@pytest.fixture
def clean_database(database: ScratchDatabase) -> ScratchDatabase:
    """Give the process' database with all tables empty."""
    database.empty()
    return database


@pytest.fixture(scope="session")
def vhost(stack: StackAddresses) -> Iterator[ScratchVhost]:
    """Give this process a RabbitMQ virtual host."""
    with scratch_vhost(stack) as made:
        yield made


@pytest.fixture(scope="session")
def redis_url(stack: StackAddresses) -> Iterator[str]:
    """Give this process an empty Valkey database, as a ``redis://…`` URL."""
    with redis_slot(default_folder() / "slots") as number:
        flush(stack, number)
        yield stack.redis_url(number)


@pytest.fixture(scope="session")
def environment_for(
    database: ScratchDatabase, vhost: ScratchVhost, redis_url: str
) -> EnvironmentFor:
    """Give a function from a role to the ``ADSP_…`` variables of a service for these servers."""

    def variables(role: Role) -> dict[str, str]:
        return {
            "ADSP_DATABASE_URL": database.url_for(role),
            "ADSP_BROKER_URL": vhost.url,
            "ADSP_REDIS_URL": redis_url,
            # Only tests of the keys themselves bring one.
            "ADSP_AUTH": "off",
        }

    return variables
