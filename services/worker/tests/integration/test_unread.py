"""A large file is planned by its header alone where no other file of the dataset has its size."""

import gzip
import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Never

import pytest
from sqlalchemy import update

from libs.common.enums import ChunkState, JobState, Trigger
from libs.common.ledger.models import Chunk, Job
from libs.common.ledger.unread_content import UNREAD, is_unread
from libs.common.messaging.names import JOBS_QUEUE
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.regular_files import SourceIdentity
from services.worker.finishing import finish
from services.worker.planning import source_plans, source_scan, unread_jobs
from services.worker.planning.job_plan import plan
from services.worker.planning.source_inspection import inspect_file
from services.worker.tests.conftest import HEADER, ROW, Bench

A, B = (HEADER + ROW.format(row) for row in (1, 2))
"""Two contents of one size."""
LONGER = HEADER + ROW.format(1) * 2


@pytest.fixture(autouse=True)
def reads_nothing_first(bench: Bench) -> None:
    bench.set(read_first_bytes=0)


def job_for(bench: Bench, content: str | bytes, name: str, **changes: Any) -> Job:
    """Write a file and make the job of it."""
    bench.write(content, name)
    return bench.make_job(source=name, **changes)


def load(bench: Bench, job: Job, content: str | bytes) -> JobState:
    """Do what a loader does at its commit, and return how the job ends."""
    with bench.worker.sessions.begin() as session:
        own = session.get_one(Job, job.id)
        if is_unread(own.fingerprint):
            own.fingerprint = digest_of(content)
        done = {"state": ChunkState.DONE, "rows_read": 1, "rows_loaded": 1}
        session.execute(update(Chunk).where(Chunk.job_id == job.id).values(**done))
    finish(bench.worker, job.id)
    return bench.job(job).state


def digest_of(content: str | bytes) -> str:
    """Return the fingerprint of a file."""
    data = content if isinstance(content, bytes) else content.encode()
    return hashlib.sha256(data).hexdigest()


def is_planned_unread(bench: Bench, job: Job) -> bool:
    """Plan a job that may load; return whether its file was not read."""
    assert plan(bench.worker, job.id) == "running"
    [chunk] = bench.chunks(job)
    assert (chunk.digest == UNREAD) == is_unread(bench.job(job).fingerprint)
    return chunk.digest == UNREAD


@pytest.mark.parametrize(
    "definition",
    [{}, {"mode": "replace"}, {"mode": "upsert", "key": ["sku"]}, {"once": "data_date"}],
)
@pytest.mark.parametrize("encode", [str.encode, lambda text: gzip.compress(text.encode())])
def test_a_file_whose_size_is_new_is_not_read(
    bench: Bench, definition: dict[str, Any], encode: Callable[[str], bytes]
) -> None:
    bench.put_dataset(**definition)
    first = job_for(bench, encode(A), "a.csv")

    assert is_planned_unread(bench, first)
    assert bench.job(first).header is not None
    assert load(bench, first, encode(A)) is JobState.SUCCEEDED

    longer = job_for(bench, encode(LONGER), "longer.csv", data_date=date(2030, 1, 1))
    assert is_planned_unread(bench, longer)


@pytest.mark.parametrize("ending", ["loaded", "failed", "running"])
@pytest.mark.parametrize("definition", [{}, {"mode": "upsert", "key": ["sku"]}])
@pytest.mark.parametrize("is_same", [True, False])
def test_content_of_a_size_that_was_seen_is_loaded_once(
    bench: Bench,
    definition: dict[str, Any],
    ending: str,
    is_same: bool,  # noqa: FBT001
) -> None:
    """Whatever became of the first one, and whether its content is the same or has only as many bytes."""
    bench.put_dataset(**definition)
    first = job_for(bench, A, "a.csv")
    assert is_planned_unread(bench, first)
    second_content = A if is_same else B
    second = job_for(bench, second_content, "second.csv")

    if ending == "running":
        may_load = not is_same and not definition  # of an upsert one job loads at a time
        assert plan(bench.worker, second.id) == ("running" if may_load else "queued")
        # Who waits for its turn need not know.
        assert bench.job(first).fingerprint == (
            digest_of(A) if not definition else f"{UNREAD}:{first.id}"
        )
        assert load(bench, first, A) is JobState.SUCCEEDED
        if may_load:
            assert load(bench, second, second_content) is JobState.SUCCEEDED
            return
    elif ending == "loaded":
        assert load(bench, first, A) is JobState.SUCCEEDED
    else:
        failed = {"state": ChunkState.FAILED, "error_code": "load-fault", "error_message": "no"}
        with bench.worker.sessions.begin() as session:
            session.execute(update(Chunk).values(**failed))
        finish(bench.worker, first.id)
        assert (bench.job(first).state, bench.job(first).fingerprint) == (JobState.FAILED, None)

    if is_same and ending != "failed":
        assert plan(bench.worker, second.id) == "duplicate"
        assert bench.job(second).duplicate_of == first.id
    else:
        assert not is_planned_unread(bench, second)
        assert load(bench, second, second_content) is JobState.SUCCEEDED


@pytest.mark.parametrize("content", [A, B], ids=["same", "other"])
@pytest.mark.parametrize("gone", ["deleted", "changed"])
def test_who_cannot_learn_what_is_loaded_waits_and_is_woken_by_its_end(
    bench: Bench, gone: str, content: str
) -> None:
    bench.put_dataset()
    first, second = job_for(bench, A, "a.csv"), job_for(bench, content, "b.csv")
    assert is_planned_unread(bench, first)
    if gone == "deleted":
        (bench.folder / "a.csv").unlink()
    else:
        bench.write(LONGER, "a.csv")
    assert plan(bench.worker, second.id) == "queued"
    assert is_unread(bench.job(first).fingerprint)
    bench.messages(JOBS_QUEUE)

    load(bench, first, A)

    assert str(second.id) in {message["job_id"] for message in bench.messages(JOBS_QUEUE)}
    assert plan(bench.worker, second.id) == ("duplicate" if content == A else "running")


def test_files_of_one_size_are_loaded_beside_each_other(bench: Bench) -> None:
    bench.put_dataset()
    jobs = [job_for(bench, HEADER + ROW.format(row), f"{row}.csv") for row in range(4)]

    assert [plan(bench.worker, job.id) for job in jobs] == ["running"] * 4


@pytest.mark.parametrize("order", ["alone first", "several first"])
@pytest.mark.parametrize("is_there", [True, False])
def test_one_of_several_files_may_be_one_that_nobody_has_read(
    bench: Bench,
    order: str,
    is_there: bool,  # noqa: FBT001
) -> None:
    """The definition was changed to several files meanwhile."""
    bench.put_dataset(source="folder/*.csv")
    alone, several = job_for(bench, A, "alone.csv"), bench.make_job()
    (bench.folder / "folder").mkdir()
    bench.write(A, "folder/a.csv")
    with bench.worker.sessions.begin() as session:
        own = session.get_one(Job, several.id)
        own.definition = {**own.definition, "match": "all"}

    if order == "alone first":
        assert is_planned_unread(bench, alone)
        if not is_there:
            (bench.folder / "alone.csv").unlink()
        assert plan(bench.worker, several.id) == "queued"
        bench.messages(JOBS_QUEUE)
        load(bench, alone, A)
        assert str(several.id) in {message["job_id"] for message in bench.messages(JOBS_QUEUE)}
        assert plan(bench.worker, several.id) == "duplicate"
    else:
        assert plan(bench.worker, several.id) == "running"
        assert plan(bench.worker, alone.id) == "queued"
        load(bench, several, A)
        assert plan(bench.worker, alone.id) == "duplicate"


def test_a_dataset_of_several_files_has_each_read(bench: Bench) -> None:
    """Also one that is sent: a worker of the version before could not tell that it is one of the others."""
    bench.put_dataset(source="*.csv", match="all")
    uploads = bench.worker.settings.upload_dir
    uploads.mkdir(exist_ok=True)
    (uploads / "sent.csv").write_text(A)
    job = bench.make_job(source=str(uploads / "sent.csv"), trigger=Trigger.UPLOAD)

    assert not is_planned_unread(bench, job)


def test_a_file_that_may_have_grown_is_read(bench: Bench) -> None:
    """Its start is compared with what was loaded, which is no work for a plan that must not be long."""
    bench.put_dataset()
    job = job_for(bench, A, "a.csv")
    assert is_planned_unread(bench, job)
    load(bench, job, A)

    assert not is_planned_unread(bench, job_for(bench, LONGER, "a.csv"))
    assert is_planned_unread(bench, job_for(bench, LONGER + ROW.format(7), "b.csv"))


def test_a_plan_that_was_cut_off_leaves_nothing_of_its_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one is in its place when the job is planned again."""
    bench.put_dataset()
    loaded = job_for(bench, LONGER, "loaded.csv")
    assert is_planned_unread(bench, loaded)
    load(bench, loaded, LONGER)
    job = job_for(bench, A, "a.csv")

    def die(*_: Any) -> Never:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(f"{source_plans.__name__}.inspect_file", die)
        with pytest.raises(SystemExit):
            plan(bench.worker, job.id)
    assert bench.job(job).source_path == str(bench.folder / "a.csv")
    bench.write(LONGER, "a.csv")

    assert plan(bench.worker, job.id) == "duplicate"
    ended = bench.job(job)
    assert (ended.source_path, ended.source_mtime_ns, ended.bytes_total) == (None, None, None)


def test_what_another_plan_has_read_is_of_the_claim_that_stands(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is read, its job is begun again, perhaps with another file."""
    bench.put_dataset()
    first, second = job_for(bench, A, "a.csv"), job_for(bench, B, "b.csv")
    assert is_planned_unread(bench, first)

    def read(*given: Any) -> str:
        with bench.worker.sessions.begin() as session:
            session.get_one(Job, first.id).attempt += 1
        return fingerprint(*given)

    monkeypatch.setattr(f"{unread_jobs.__name__}.fingerprint", read)

    assert plan(bench.worker, second.id) == "queued"
    assert is_unread(bench.job(first).fingerprint)


def test_a_plan_that_was_overtaken_writes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was thought dead; the one begun after it has the job now."""
    bench.put_dataset()
    job = job_for(bench, A, "a.csv")

    def overtaken(*given: Any) -> Any:
        with bench.worker.sessions.begin() as session:
            session.get_one(Job, job.id).attempt += 1
        return inspect_file(*given)

    with monkeypatch.context() as patched:
        patched.setattr(f"{source_plans.__name__}.inspect_file", overtaken)
        assert plan(bench.worker, job.id) == "running"

    assert bench.chunks(job) == []


@pytest.mark.parametrize(
    "changes", [{"force": True}, {"dry_run": True}], ids=lambda changes: next(iter(changes))
)
def test_who_is_not_asked_for_content_is_read_as_before(
    bench: Bench, changes: dict[str, Any]
) -> None:
    bench.put_dataset()

    assert not is_planned_unread(bench, job_for(bench, A, "a.csv", **changes))


def test_a_file_that_is_cut_is_read_anyway_and_a_small_one_at_once(bench: Bench) -> None:
    bench.put_dataset("cut", atomic=False)
    bench.put_dataset("small")
    bench.set(chunk_bytes=len(A) // 2)
    cut = job_for(bench, LONGER, "a.csv", dataset="cut")
    assert not is_planned_unread(bench, cut)
    load(bench, cut, LONGER)
    bench.set(read_first_bytes=len(A))

    small = job_for(bench, A, "b.csv", dataset="small")
    assert not is_planned_unread(bench, small)
    load(bench, small, A)
    assert is_planned_unread(bench, job_for(bench, LONGER, "c.csv", dataset="small"))


def test_a_file_that_changes_while_its_header_is_read_is_looked_at_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put_dataset()
    job = job_for(bench, A, "a.csv")
    seen = SourceIdentity(1, 1, 1, 1)

    def other(path: Path) -> SourceIdentity:
        return seen

    monkeypatch.setattr(source_scan, "identity", other)
    assert plan(bench.worker, job.id) == "queued"
    assert bench.job(job).fingerprint is None
    monkeypatch.undo()

    assert is_planned_unread(bench, job)


def test_a_file_that_is_put_away_is_no_missing_one_for_who_waited(bench: Bench) -> None:
    """Two jobs of one file: the first moves it, and the second must know that it was the same."""
    bench.put_dataset(after_load="delete")
    first, second = job_for(bench, A, "a.csv"), bench.make_job(source="a.csv")
    assert is_planned_unread(bench, first)
    assert plan(bench.worker, second.id) == "queued"

    load(bench, first, A)

    assert not (bench.folder / "a.csv").exists()
    assert plan(bench.worker, second.id) == "duplicate"
