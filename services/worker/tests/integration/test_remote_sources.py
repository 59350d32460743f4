"""Jobs whose files lie in stores: each is loaded once, and nobody waits long for a store that is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from werkzeug.wrappers import Request, Response

from libs.common.enums import ChunkState
from libs.common.ledger.models import Chunk, Job
from libs.common.sources.stores import retries
from libs.common.sources.stores.connections import Connections
from libs.common.sources.stores.retries import asking_once
from libs.devstack.testing.stores import (
    Fault,
    ServedStore,
    https_application,
    https_server,
    s3_server,
)
from services.worker.finishing import finish
from services.worker.loaded_files import put_files_away
from services.worker.planning.job_plan import plan
from services.worker.source_growth import tell_grown
from services.worker.sweeping import sweep
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


def files_due(bench: Bench) -> int:
    """Return how many jobs have files that are to be put away."""
    with bench.worker.sessions() as session:
        due = select(func.count()).where(Job.files_due_at.is_not(None))
        return session.scalar(due) or 0


def test_a_sweep_asks_a_store_that_is_away_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It brings back lost chunks as well, and holds its lock meanwhile."""
    monkeypatch.setattr(retries, "_WAITS", (60.0,) * 4)
    with s3_server() as served:
        connect(bench, served)
        bench.put_dataset(source=f"{served.root}in/*.csv", match="all", after_load="move")
        for number in range(5):
            served.put(f"in/{number}.csv", (HEADER + ROW.format(number)).encode())
        job = bench.make_job()
        assert plan(bench.worker, job.id) == "running"
        with asking_once():
            served.faults.always = Fault.THROTTLED
            end(bench, job)
        with bench.worker.sessions.begin() as session:
            session.execute(update(Job).values(files_due_at=func.now()))
        served.faults.requests.clear()

        assert sweep(bench.worker).files == 1

        assert len(served.faults.requests) == 1
        assert files_due(bench) == 1
        served.faults.always = None
        put_files_away(bench.worker, job.id)
        assert served.names() == {f"in/loaded/{number}.csv" for number in range(5)}
    assert files_due(bench) == 0


def test_files_that_there_is_no_time_for_are_put_away_later(bench: Bench) -> None:
    with s3_server() as served:
        connect(bench, served)
        bench.put_dataset(source=f"{served.root}in/a.csv", after_load="move")
        served.put("in/a.csv", (HEADER + ROW.format(1)).encode())
        job = bench.make_job()
        assert plan(bench.worker, job.id) == "running"
        with asking_once():
            served.faults.next[:] = [Fault.THROTTLED]
            end(bench, job)

        put_files_away(bench.worker, job.id, ends_at=0.0)
        left = files_due(bench), served.names()
        put_files_away(bench.worker, job.id)

        assert left == (1, {"in/a.csv"})
        assert (files_due(bench), served.names()) == (0, {"in/loaded/a.csv"})


def test_growth_is_looked_for_in_a_store_that_is_away_once(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_WAITS", (60.0,) * 4)
    (tmp_path / "https").mkdir()
    with https_server(tmp_path / "https") as served:
        connect(bench, served)
        for number in range(5):
            served.put(f"{number}.csv", (HEADER + ROW.format(number)).encode())
            bench.put_dataset(f"d{number}", source=f"{served.root}{number}.csv")
            job = bench.make_job(f"d{number}")
            assert plan(bench.worker, job.id) == "running"
            end(bench, job)
        served.faults.requests.clear()
        looked_at = tell_grown(bench.worker, 100), len(served.faults.requests)
        served.faults.requests.clear()
        served.faults.always = Fault.THROTTLED

        assert tell_grown(bench.worker, 100) == 0

        assert looked_at == (0, 5)
        assert len(served.faults.requests) == 1


def test_a_job_whose_connection_is_gone_ends_and_its_files_are_not_forgotten(bench: Bench) -> None:
    """Whether it still waits for its file, or has loaded it."""
    with s3_server() as served:
        connect(bench, served)
        bench.put_dataset(source=f"{served.root}late.csv", arrival={"wait": "1h", "poll": "5s"})
        bench.put_dataset("moved", source=f"{served.root}a.csv", after_load="move")
        served.put("a.csv", (HEADER + ROW.format(1)).encode())
        waiting, loaded = bench.make_job(), bench.make_job("moved")
        states = [plan(bench.worker, job.id) for job in (waiting, loaded)]
        bench.set(connections=Connections())
        end(bench, loaded)
        states.append(plan(bench.worker, waiting.id))

    error = bench.job(waiting).error_code
    assert states == ["waiting", "running", "failed"]
    assert error == "source-not-allowed"
    assert files_due(bench) == 1


@pytest.mark.parametrize("atomic", [True, False])
def test_a_plan_has_a_large_file_sent_once(bench: Bench, atomic: bool) -> None:  # noqa: FBT001
    """Beside the short range at its start that tells its compression and header."""
    rows = "".join(ROW.format(number) for number in range(300_000))
    data = (HEADER + rows).encode()
    with s3_server() as served:
        connect(bench, served)
        bench.set(chunk_bytes=len(data) // 5)
        bench.put_dataset(source=f"{served.root}large.csv", atomic=atomic)
        served.put("large.csv", data)
        job = bench.make_job()
        plan(bench.worker, job.id)

    asked = [each.partition("bytes=")[2].partition("-") for each in served.faults.requests]
    lengths = [int(last) + 1 - int(first) for first, _, last in asked if last]
    assert len(bench.chunks(job)) == (1 if atomic else 2)  # in order: four times as long
    assert len(data) <= sum(lengths) <= len(data) + (2 << 20)
