"""The machine of Postgres vanishes in the middle of a load: the loader does not wait for its kernel to notice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import LeaseLost
from libs.common.messaging.tests.relay import Relay, relay_to
from libs.devstack.ports import LOOPBACK, free_port
from libs.devstack.testing.waiting import wait_for
from services.loader.leasing.chunks import ChunkKey
from services.loader.leasing.connection_cache import CachedConnection
from services.loader.leasing.lease import Heartbeat
from services.loader.tests.integration.conftest import LoadBench

PATIENCE = 10


@pytest.fixture
def relay(bench: LoadBench) -> Iterator[Relay]:
    with relay_to(LOOPBACK, bench.database.addresses.postgres_port) as made:
        yield made


def test_a_load_whose_lease_cannot_be_renewed_ends_without_its_server(
    bench: LoadBench, relay: Relay
) -> None:
    parts = urlsplit(bench.database.dsn_for("loader"))
    through = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{relay.port}"))
    nowhere = f"postgresql://{LOOPBACK}:{free_port()}/adsp"

    def connect() -> Connection:
        return psycopg2.connect(nowhere)

    key = ChunkKey(bench.add_job(b"", DatasetDefinition(table="feed.t")), 0, "me")
    with (
        closing(psycopg2.connect(through.geturl())) as loading,
        loading.cursor() as cursor,
        ThreadPoolExecutor(1) as pool,
    ):
        heartbeat = Heartbeat(
            connect,
            CachedConnection(loading, 0, datetime.now(UTC)),
            key,
            bench.settings(lease_seconds=2, heartbeat_seconds=0.1),
        )
        under_way = pool.submit(cursor.execute, "SELECT pg_sleep(60)")
        wait_for(lambda: _sleeps(bench), PATIENCE, "the load is under way")
        relay.freeze()
        heartbeat.start()
        try:
            error = under_way.exception(PATIENCE)
        finally:
            relay.thaw()
            relay.cut()
            heartbeat.stop()

    assert isinstance(error, psycopg2.OperationalError)
    with pytest.raises(LeaseLost):
        heartbeat.check()


def _sleeps(bench: LoadBench) -> bool:
    return bool(
        bench.execute(
            "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
        )
    )
