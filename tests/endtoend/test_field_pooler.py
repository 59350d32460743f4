"""The case `behind-pgbouncer`: api and worker work behind a pool of transactions, loaders need sessions and say so."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from libs.devstack.testing.pgbouncer import PGBOUNCER, pgbouncer
from libs.devstack.testing.waiting import wait_for
from tests.endtoend.feed import Feed, end
from tests.endtoend.system import System

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None,
    reason="needs pgbouncer: sudo apt-get install --no-install-recommends pgbouncer",
)
_LOCKS = "pg_locks JOIN pg_database ON oid = database WHERE locktype = 'advisory' AND datname = current_database()"
OPTIONS = ("ignore_startup_parameters = options",)
AT = "2026-11-24 10:00:00"
OFFSETS = {"America/New_York": 5, "Asia/Tokyo": -9}
"""Hours from the zone's clock to UTC on that day."""


@pytest.fixture
def ports(system: System) -> Iterator[dict[str, int]]:
    """Run a pool of transactions and one of sessions; return their ports."""
    addresses = system.database.addresses
    passwords = {
        f"adsp_{role}": getattr(addresses.credentials, role) for role in ("api", "worker", "loader")
    }
    with ExitStack() as running:
        found = {}
        for mode in ("transaction", "session"):
            pool = pgbouncer(addresses.postgres_port, passwords, mode, OPTIONS)
            found[mode] = running.enter_context(pool)
        yield found


def _behind(
    system: System, service: Literal["api", "worker", "loader"], port: int
) -> dict[str, str]:
    direct = system.database.url_for(service)
    through = direct.replace(f":{system.database.addresses.postgres_port}/", f":{port}/")
    return {"ADSP_DATABASE_URL": through}


def test_only_loaders_need_sessions_of_their_own(system: System, ports: dict[str, int]) -> None:
    shared, own = ports["transaction"], ports["session"]
    with (
        system.restarted("api", **_behind(system, "api", shared)),
        system.restarted("worker", **_behind(system, "worker", shared)),
    ):
        feeds = {
            zone: Feed(
                system, f"field_pooled_{abs(hours)}", "id int, at timestamptz", time_zone=zone
            )
            for zone, hours in OFFSETS.items()
        }
        with system.restarted("loader", **_behind(system, "loader", shared)):
            refused = [feed.load(f"id,at\n1,{AT}\n") for feed in feeds.values()]
        with system.restarted("loader", **_behind(system, "loader", own)):
            loaded = [feed.load(f"id,at\n1,{AT}\n") for feed in feeds.values()]

    assert {end(job) for job in refused} == {("failed", "session-shared")}
    assert [
        job.error is not None and "pool_mode = session" in job.error.message for job in refused
    ] == [True, True]
    assert {end(job) for job in loaded} == {("succeeded", None)}
    local = datetime.fromisoformat(AT).replace(tzinfo=UTC)
    for zone, feed in feeds.items():
        assert feed.rows() == [(1, local + timedelta(hours=OFFSETS[zone]))]
    wait_for(lambda: system.count(_LOCKS) == 0, 20, "no advisory lock is left")
