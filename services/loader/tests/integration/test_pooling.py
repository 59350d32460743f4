"""A loader needs a session of its own: behind pgbouncer in transaction mode it refuses, in session mode it loads."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from libs.common.datasets.definition import DatasetDefinition
from libs.devstack.testing.pgbouncer import PGBOUNCER, pgbouncer
from services.loader.chunk_loader import Outcome
from services.loader.tests.integration.conftest import LoadBench

PAIRS = DatasetDefinition(table="feed.t")
Pooled = Callable[..., str]

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None,
    reason="needs pgbouncer: sudo apt-get install --no-install-recommends pgbouncer",
)


@pytest.fixture
def pooled(bench: LoadBench) -> Iterator[Pooled]:
    """Give a function that starts pgbouncer before the database and returns the loader's URL through it."""
    with ExitStack() as running:

        def start(mode: str, *settings: str) -> str:
            return running.enter_context(_pgbouncer(bench, mode, settings))

        yield start


@contextmanager
def _pgbouncer(bench: LoadBench, mode: str, settings: tuple[str, ...]) -> Iterator[str]:
    addresses = bench.database.addresses
    passwords = {"adsp_loader": addresses.credentials.loader}
    with pgbouncer(addresses.postgres_port, passwords, mode, settings) as port:
        direct = bench.database.url_for("loader")
        yield direct.replace(f":{addresses.postgres_port}/", f":{port}/")


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("settings", [(), ("ignore_startup_parameters = options",)], ids=str)
def test_shared_backends_are_refused_once_with_the_cure(
    bench: LoadBench, pooled: Pooled, mode: str, settings: tuple[str, ...]
) -> None:
    bench.execute("CREATE TABLE feed.t (id int, v text)")
    url = pooled(mode, *settings)
    job_id = bench.add_job(b"id,v\n1,a\n", PAIRS)
    with closing(bench.loader(database_url=url)) as loader:
        outcomes = [loader.load_chunk(job_id, 0) for _ in range(2)]

    chunk = bench.chunk(job_id)
    assert outcomes == [Outcome.FAILED, Outcome.SKIPPED]
    assert (chunk["error_code"], chunk["attempt"]) == ("session-shared", 1)
    assert "pool_mode = session" in chunk["error_message"]
    assert bench.execute("SELECT * FROM feed.t") == []
    assert bench.execute("SELECT * FROM adsp.chunk_leases") == []


@pytest.mark.parametrize("settings", [(), ("ignore_startup_parameters = options",)], ids=str)
def test_a_pool_with_a_backend_for_each_session_does_no_harm(
    bench: LoadBench, pooled: Pooled, settings: tuple[str, ...]
) -> None:
    bench.execute("CREATE TABLE feed.t (id int, v text)")
    url = pooled("session", *settings)
    with closing(bench.loader(database_url=url)) as loader:
        for number in range(3):
            job_id = bench.add_job(b"id,v\n%d,a\n" % number, PAIRS)
            assert loader.load_chunk(job_id, 0) is Outcome.LOADED

    assert bench.execute("SELECT count(*) FROM feed.t") == [(3,)]
