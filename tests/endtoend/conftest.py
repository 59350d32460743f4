"""Give the end-to-end tests the whole system: four services on real servers."""

from collections.abc import Iterator

import pytest

from libs.devstack.ports import free_port
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.fixtures import EnvironmentFor
from tests.endtoend.system import SERVICES, System


@pytest.fixture(scope="session")
def system(
    database: ScratchDatabase,
    environment_for: EnvironmentFor,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    """Start the services once for all tests of this process."""
    running = System(
        folder=tmp_path_factory.mktemp("system"),
        database=database,
        environment_of=environment_for,  # type: ignore[arg-type]
        port=free_port(),
    )
    running.incoming.mkdir()
    for service in SERVICES:
        running.start(service)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()
