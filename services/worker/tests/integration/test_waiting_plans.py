"""A plan that waits for another job does not read its file again, and large plans leave a worker room."""

from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import update

from libs.common.enums import ChunkState
from libs.common.ledger.models import Chunk
from libs.common.messaging.names import LONG_PLANS_QUEUE
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.opening import open_source
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stream import SourceStream
from services.worker.finishing import finish
from services.worker.planning import source_scan
from services.worker.planning.job_plan import plan
from services.worker.tests.conftest import Bench

UPSERT = "upsert"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files whose fingerprints were taken."""
    names: list[str] = []

    def noted(path: Path, seen: SourceIdentity) -> str:
        names.append(path.name)
        return fingerprint(path, seen)

    monkeypatch.setattr(source_scan, "fingerprint", noted)
    return names


def test_a_job_that_waits_for_its_turn_reads_its_file_once(bench: Bench, hashed: list[str]) -> None:
    bench.put_dataset(mode=UPSERT, key=["sku"], source="{data_date}.csv")
    jobs = []
    for day, rows in ((23, 3), (24, 4)):
        bench.write_rows(rows, f"2026-11-{day}.csv")
        jobs.append(bench.make_job(data_date=date(2026, 11, day)))
    plan(bench.worker, jobs[0].id)

    states = [plan(bench.worker, jobs[1].id) for _ in range(3)]
    with bench.worker.sessions.begin() as session:
        session.execute(update(Chunk).values(state=ChunkState.DONE, rows_read=3, rows_loaded=3))
    finish(bench.worker, jobs[0].id)
    states.append(plan(bench.worker, jobs[1].id))

    assert states == ["queued"] * 3 + ["running"]
    assert hashed == ["2026-11-23.csv", "2026-11-24.csv"]
    [chunk] = bench.chunks(jobs[1])
    assert chunk.digest == fingerprint(bench.folder / "2026-11-24.csv")


def test_a_large_file_is_cut_no_sooner_than_its_job_may_load_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look of a job that waits would read all of it again."""
    bench.put_dataset(atomic=False)
    bench.set(chunk_bytes=25)
    bench.write_rows(40)
    opened: list[str] = []

    def noted(path: Path, *given: object, **named: object) -> SourceStream:
        opened.append(path.name)
        return open_source(path, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(source_scan, "open_source", noted)
    first, second = bench.make_job(), bench.make_job()
    plan(bench.worker, first.id)
    states, looks = [], []
    for _ in range(3):
        opened.clear()
        states.append(plan(bench.worker, second.id))
        looks.append(len(opened) > 0)

    assert states == ["queued"] * 3
    assert looks == [True, False, False]


def test_a_file_that_changed_while_its_job_waited_is_read_again(
    bench: Bench, hashed: list[str]
) -> None:
    bench.put_dataset()
    bench.write_rows(3)
    first, second = bench.make_job(), bench.make_job()
    plan(bench.worker, first.id)
    assert plan(bench.worker, second.id) == "queued"
    bench.write_rows(4)

    assert plan(bench.worker, second.id) == "running"

    assert hashed == ["items.csv"] * 3


def test_a_long_plan_is_sent_to_the_queue_of_such_and_made_there(
    bench: Bench, hashed: list[str]
) -> None:
    """Seen before: two long plans held up finishes, ticks and sweeps."""
    bench.put_dataset()
    bench.set(long_plan_bytes=bench.write_rows(3).stat().st_size)
    job = bench.make_job()
    states = [plan(bench.worker, job.id)]
    waiting = bench.job(job)
    sent = bench.messages(LONG_PLANS_QUEUE)
    states.append(plan(bench.worker, job.id, may_be_long=True))

    assert states == ["queued", "running"]
    assert (waiting.attempt, waiting.error_code) == (0, None)
    assert waiting.next_attempt_at is not None  # a message that is lost is sent again
    assert sent == [{"job_id": str(job.id), "request_id": job.request_id, "is_long": True}]
    assert hashed == ["items.csv"]


def test_a_long_plan_may_be_taken_up_the_moment_it_is_sent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen before: sent by a plan that still kept others of its job away, it was left alone until the next sweep."""
    bench.put_dataset()
    bench.set(long_plan_bytes=bench.write_rows(3).stat().st_size)
    job = bench.make_job()
    states: list[str] = []

    def plan_at_once(job_id: UUID, _request_id: str | None, *, is_long: bool) -> None:
        """Be a child that has nothing else to do."""
        states.append(plan(bench.worker, job_id, may_be_long=is_long))

    monkeypatch.setattr(bench.worker.dispatcher, "send_plan", plan_at_once)
    plan(bench.worker, job.id)

    assert states == ["running"]
