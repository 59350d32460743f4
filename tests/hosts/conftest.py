"""Give the tests of hosts a site of this process' own, or say why there is none."""

from collections.abc import Iterator

import pytest

from tests.hosts.faults import VARIABLES
from tests.hosts.network import missing_for_hosts
from tests.hosts.site import Site, running_site

_MOST_BYTES = 8_000


@pytest.fixture(scope="session")
def started() -> Iterator[Site]:
    """Start servers and services, each on its host."""
    if reason := missing_for_hosts():
        pytest.skip(reason)
    with running_site(**VARIABLES) as site:
        yield site


@pytest.fixture
def site(started: Site) -> Iterator[Site]:
    """Give the site, whole, and be where its hosts are reached; of a test that fails the logs are shown."""
    with started.inside():
        started.revive()
        yield started
        for log in sorted(started.system.folder.glob("*.log")):
            print(f"--- {log.name}", log.read_text(errors="replace")[-_MOST_BYTES:], sep="\n")
