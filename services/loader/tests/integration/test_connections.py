"""The loading connection is kept from chunk to chunk, and no load finds anything of another in it."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection
from sqlalchemy.engine import make_url

from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import LeaseLost
from libs.common.messaging.tests.relay import relay_to
from libs.common.postgres.silence import SERVER_SIDE, UNANSWERED_MS
from libs.devstack.testing.waiting import wait_for
from services.loader.chunk_loader import ChunkLoader, Outcome
from services.loader.leasing import connection_cache
from services.loader.leasing.chunks import ChunkKey
from services.loader.leasing.connection_cache import CachedConnection, LoadingConnections
from services.loader.leasing.lease import Heartbeat
from services.loader.tests.integration.conftest import LoadBench

PAIRS = DatasetDefinition(table="feed.t")
TABLE = "CREATE TABLE feed.t (id int, v text)"
PATIENCE = 20.0


@pytest.fixture
def cache(bench: LoadBench) -> Iterator[LoadingConnections]:
    """Return connections of the loader's role."""
    with closing(
        LoadingConnections(lambda: psycopg2.connect(bench.database.dsn_for("loader")))
    ) as made:
        yield made


def load(bench: LoadBench, loader: ChunkLoader, data: bytes = b"id,v\n1,a\n") -> Outcome:
    """Load a new job of one chunk."""
    return loader.load_chunk(bench.add_job(data, PAIRS), 0)


def backends(bench: LoadBench) -> list[int]:
    """List the backends of loaders in this database."""
    found = bench.execute(
        "SELECT pid FROM pg_stat_activity"
        " WHERE application_name = 'adsp-loader' AND datname = current_database()"
    )
    return [pid for (pid,) in found]


def use(cache: LoadingConnections, statement: str) -> CachedConnection:
    """Run a statement on the connection and have it kept."""
    with cache.acquire() as cached:
        with cached.connection.cursor() as cursor:
            cursor.execute(statement)
        cached.reusable = True
    return cached


def test_chunks_share_a_backend(bench: LoadBench) -> None:
    bench.execute(TABLE)
    loader = bench.loader(heartbeat_seconds=60)  # a heart that beats has a backend of its own
    outcomes = [load(bench, loader)]
    first = backends(bench)

    outcomes.append(load(bench, loader))

    assert outcomes == [Outcome.LOADED, Outcome.LOADED]
    assert backends(bench) == first
    assert len(first) == 1


def test_a_kept_connection_that_was_ended_is_replaced(bench: LoadBench) -> None:
    """The sweeper, an operator or a restart of Postgres may end any backend at any time."""
    bench.execute(TABLE)
    loader = bench.loader()
    load(bench, loader)
    bench.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'adsp-loader' AND datname = current_database()"
    )

    assert load(bench, loader) is Outcome.LOADED
    assert bench.execute("SELECT count(*) FROM feed.t") == [(2,)]
    assert bench.execute("SELECT max(attempt) FROM adsp.chunks") == [(1,)]


def test_a_load_that_failed_keeps_no_connection(bench: LoadBench) -> None:
    """A lease may still name its backend."""
    bench.execute(TABLE)
    loader = bench.loader()

    assert load(bench, loader, b"id,w\n") is Outcome.FAILED

    wait_for(lambda: not backends(bench), PATIENCE, "the connection is gone")


def test_a_load_longer_than_a_lease_keeps_no_connection(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweeper may have seen its lease expired and be about to end its backend."""
    bench.execute(TABLE)
    loader = bench.loader()
    times = iter([0.0, float(bench.settings().lease_seconds)])
    monkeypatch.setattr("services.loader.chunk_loader.monotonic", lambda: next(times))

    assert load(bench, loader) is Outcome.LOADED

    wait_for(lambda: not backends(bench), PATIENCE, "the connection is gone")


@pytest.mark.parametrize(
    ("leave", "look", "clean"),
    [
        ("SET work_mem = '64kB'", "SHOW work_mem", "4MB"),
        ("CREATE TEMP TABLE left_over ()", "SELECT to_regclass('pg_temp.left_over')", None),
        (
            "SELECT pg_advisory_lock(7)",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
            0,
        ),
    ],
)
def test_what_a_trigger_leaves_in_its_session_is_gone(
    cache: LoadingConnections, leave: str, look: str, clean: object
) -> None:
    first = use(cache, leave)

    with cache.acquire() as cached, cached.connection.cursor() as cursor:
        cursor.execute(look)

        assert cursor.fetchone() == (clean,)
        assert cached.backend_pid == first.backend_pid


def test_a_connection_is_not_kept_for_ever(
    cache: LoadingConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_cache, "LONGEST_LIFE", 0.0)

    first = use(cache, "SELECT")

    assert first.connection.closed


def test_a_loader_that_does_not_reach_postgres_keeps_its_message_until_it_does(
    bench: LoadBench,
) -> None:
    """One that gave it up at once would take every message, also those that other loaders could load."""
    bench.execute(TABLE)
    url = make_url(bench.database.url_for("loader"))
    assert url.host is not None
    assert url.port is not None
    with relay_to(url.host, url.port) as relay, ThreadPoolExecutor(1) as pool:
        relay.refuse()
        through = url.set(port=relay.port).render_as_string(hide_password=False)
        loading = pool.submit(load, bench, bench.loader(database_url=through))
        wait_for(lambda: relay.refused > 1, PATIENCE, "it has tried more than once")
        was_done = loading.done()
        relay.accept()

        assert loading.result(PATIENCE) is Outcome.LOADED
        assert not was_done


def test_a_backend_asks_whether_its_client_is_still_there(bench: LoadBench) -> None:
    """Postgres itself would wait two hours for a loader whose host has died, with all that it has locked."""
    with closing(bench.loader()._connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp\\_%' ORDER BY name"
        )

        assert dict(cursor.fetchall()) == SERVER_SIDE


def test_a_load_may_wait_for_postgres_and_nothing_else_may(bench: LoadBench) -> None:
    """Where the server has no room for what is sent, as in a COPY that waits for a lock, the kernel counts that too."""
    with closing(bench.loader()._connect()) as loading:
        key = ChunkKey(bench.add_job(b"", PAIRS), 0, "somebody")
        cached = bench.cached(loading)
        heartbeat = Heartbeat(bench.loader()._connect, cached, key, bench.settings())
        before = unanswered(loading)
        heartbeat.start()
        during = unanswered(loading)
        heartbeat.stop()

        assert (before, during, unanswered(loading)) == (UNANSWERED_MS, 0, UNANSWERED_MS)


def unanswered(connection: Connection) -> int:
    """Return for how many milliseconds what is sent may stay unacknowledged."""
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        return ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


def test_a_load_on_a_server_that_is_gone_ends_although_its_lease_is_renewed(
    bench: LoadBench,
) -> None:
    """After a failover the heart finds the lease on the new primary, and the load waits for the old one."""
    job_id = bench.add_job(b"", PAIRS)
    bench.execute(
        "INSERT INTO adsp.chunk_leases (job_id, chunk_number, holder, backend_pid, backend_start, expires_at)"
        " VALUES (%s, 0, 'me', 0, now(), now())",
        str(job_id),
    )
    connect = bench.loader()._connect
    with closing(connect()) as loading, loading.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        elsewhere = CachedConnection(loading, loading.info.backend_pid, datetime.now(UTC))
        heartbeat = Heartbeat(connect, elsewhere, ChunkKey(job_id, 0, "me"), bench.settings())
        waiting = pool.submit(cursor.execute, "SELECT pg_sleep(60)")
        heartbeat.start()
        error = waiting.exception(PATIENCE)
        heartbeat.stop()

    assert isinstance(error, psycopg2.OperationalError)
    with pytest.raises(LeaseLost, match="on a server that is gone"):
        heartbeat.check()
    assert len(bench.execute("SELECT 1 FROM adsp.chunk_leases WHERE expires_at > now()")) == 1
