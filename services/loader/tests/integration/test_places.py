"""Large files leave a loader room for what is short."""

from contextlib import ExitStack
from functools import partial

import pytest
from prometheus_client import REGISTRY

from libs.common.datasets.definition import DatasetDefinition
from libs.devstack.testing.waiting import wait_for
from services.loader.chunk_loader import Outcome
from services.loader.leasing.connection_cache import LoadingConnections
from services.loader.leasing.lease import claim
from services.loader.session import connect
from services.loader.tests.integration.conftest import LoadBench

CHILDREN = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a child'"
LARGE, SHORT = b"id,v\n1,a\n2,b\n", b"id,v\n3,c\n"


@pytest.mark.parametrize(("concurrency", "places"), [(1, 1), (2, 1), (3, 2)])
def test_large_files_leave_a_place_for_what_is_short(
    bench: LoadBench, concurrency: int, places: int
) -> None:
    """Seen before: two large loads, and a file of one line waited until one of them had ended."""
    bench.execute("CREATE TABLE feed.t (id int, v text)")
    definition = DatasetDefinition(table="feed.t")
    limits = {"loader_concurrency": concurrency, "long_load_bytes": len(LARGE)}
    settings = bench.settings(**limits)
    loader = bench.loader(**limits)
    waiting, short = bench.add_job(LARGE, definition), bench.add_job(SHORT, definition)
    before = REGISTRY.get_sample_value("adsp_chunks_postponed_total", {"reason": "place"}) or 0.0
    connect_as_child = partial(
        connect,
        settings.database_url,
        application_name="a child",
        connect_timeout=5,
        idle_seconds=30,
    )
    with ExitStack() as children:
        for _ in range(places):
            child = LoadingConnections(connect_as_child)
            children.callback(child.close)
            cached = children.enter_context(child.acquire())
            assert claim(cached, bench.add_job(LARGE, definition), 0, settings) is not None
        bench.execute("UPDATE adsp.chunks SET next_attempt_at = now() + interval '1 hour'")

        assert loader.load_chunk(waiting, 0) is Outcome.POSTPONED
        assert loader.load_chunk(short, 0) is Outcome.LOADED

    after = REGISTRY.get_sample_value("adsp_chunks_postponed_total", {"reason": "place"})
    assert after == before + 1
    assert bench.execute(
        "SELECT state, attempt, next_attempt_at < now() + interval '3 s' FROM adsp.chunks WHERE job_id = %s",
        str(waiting),
    ) == [("queued", 0, True)]
    assert bench.announced == [short]
    # A place is free when Postgres has noticed that its child is gone.
    wait_for(lambda: bench.execute(CHILDREN) == [(0,)], 20, "the children's sessions have ended")
    assert loader.load_chunk(waiting, 0) is Outcome.LOADED
    assert loader.load_chunk(bench.add_job(LARGE, definition), 0) is Outcome.LOADED
    loader.close()
