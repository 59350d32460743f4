"""Jobs whose files lie in stores: each is loaded once, and nobody waits long for a store that is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from werkzeug.wrappers import Request, Response

from libs.common.enums import ChunkState
from libs.common.ledger.models import Chunk, Job
from libs.common.sources.stores import retries
from libs.common.sources.stores.connections import Connections
from libs.devstack.testing.stores import ServedStore, https_application
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.tests.conftest import HEADER, ROW, Bench


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_WAITS", (0.0,) * 4)


def connect(bench: Bench, served: ServedStore) -> None:
    """Let the worker reach a store."""
    bench.set(connections=Connections.model_validate({"c": served.connection}))


def end(bench: Bench, job: Job) -> None:
    """Pretend that the chunks of a planned job were loaded."""
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == job.id)
            .values(state=ChunkState.DONE, rows_read=1, rows_loaded=1)
        )
    finish(bench.worker, job.id)


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[tuple[ServedStore, list[bytes]]]:
    """Give a server that tells neither time nor tag of a file, and the content of all files, which may change."""
    content = [b""]

    @Request.application
    def application(request: Request) -> Response:
        response = Response(content[0])
        return response.make_conditional(
            request, accept_ranges=True, complete_length=len(content[0])
        )

    with https_application(tmp_path / "silent", application) as served:
        yield served, content


@pytest.mark.parametrize("match", ["one", "all"])
def test_a_file_of_equal_size_is_another_one_where_its_server_tells_no_time(
    bench: Bench, silent: tuple[ServedStore, list[bytes]], match: str
) -> None:
    served, content = silent
    connect(bench, served)
    bench.put_dataset(source=f"{served.root}items.csv", match=match)
    states = []
    for sku in ("1", "2", "2"):
        content[0] = (HEADER + ROW.format(sku)).encode()
        job = bench.make_job()
        states.append(plan(bench.worker, job.id))
        if states[-1] == "running":
            end(bench, job)

    assert states == ["running", "running", "duplicate"]
