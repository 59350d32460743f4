"""A job over several files leaves out what is loaded, and sees each file as a whole."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from libs.common.enums import ChunkState, JobState
from libs.common.ledger.job_end import record_end
from libs.common.ledger.jobs import lock_job
from libs.common.ledger.models import Chunk, Job, JobFile
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.regular_files import SourceIdentity
from services.worker.planning import job_files
from services.worker.planning.job_plan import plan
from services.worker.tests.conftest import HEADER, ROW, Bench

SOURCE: dict[str, Any] = {"source": "in/*.csv", "match": "all"}
UPSERT: dict[str, Any] = {"mode": "upsert", "key": ["sku"]}


@pytest.fixture(autouse=True)
def _folder(bench: Bench) -> None:
    (bench.folder / "in").mkdir()


def write(bench: Bench, name: str, *skus: str) -> Path:
    """Write a file of these items, as an old one."""
    path = bench.write(HEADER + "".join(ROW.format(sku) for sku in skus), f"in/{name}.csv")
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))
    return path


def files(bench: Bench, job: Job) -> list[tuple[str, UUID | None]]:
    """Return the names of a job's files with the job that has loaded each."""
    with bench.worker.sessions() as session:
        found = session.scalars(
            select(JobFile).where(JobFile.job_id == job.id).order_by(JobFile.number)
        )
        return [(Path(file.path).stem, file.duplicate_of) for file in found]


def end(bench: Bench, job: Job) -> Job:
    """Let the job's load succeed."""
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == job.id)
            .values(state=ChunkState.DONE, rows_read=1, rows_loaded=1)
        )
        locked = lock_job(session, job.id)
        assert locked is not None
        record_end(session, locked, JobState.SUCCEEDED)
    return job


def load(bench: Bench, **changes: Any) -> Job:
    """Make a job, plan it and let it succeed."""
    job = bench.make_job(**changes)
    assert plan(bench.worker, job.id) == "running", bench.job(job).error_message
    return end(bench, job)


def test_a_plan_keeps_where_the_records_of_each_file_begin(bench: Bench) -> None:
    bench.put_dataset(**SOURCE)
    write(bench, "a", "1")
    bench.write("\ufeff" + HEADER + ROW.format(2), "in/b.csv")
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "running"

    with bench.worker.sessions() as session:
        ends = session.scalars(
            select(JobFile.header_end).where(JobFile.job_id == job.id).order_by(JobFile.number)
        ).all()
    assert [end and end["byte_end"] for end in ends] == [len(HEADER), len(HEADER) + 3]


def test_one_job_has_all_matches_in_the_order_of_their_paths(bench: Bench) -> None:
    bench.put_dataset(**SOURCE)
    sizes = [write(bench, name, name).stat().st_size for name in ("b", "a", "c")]
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "running"

    assert files(bench, job) == [("a", None), ("b", None), ("c", None)]
    planned, [chunk] = bench.job(job), bench.chunks(job)
    assert (planned.source_path, planned.bytes_total) == (None, sum(sizes))
    assert planned.header == HEADER.strip().split(",")
    assert (chunk.byte_start, chunk.byte_end) == (0, None)


def test_an_append_leaves_out_contents_that_were_loaded(bench: Bench) -> None:
    bench.put_dataset(**SOURCE)
    write(bench, "a", "1")
    first = load(bench)
    write(bench, "b", "2")
    write(bench, "again", "1")
    write(bench, "btwice", "2")

    second = load(bench)
    third = bench.make_job()

    assert plan(bench.worker, third.id) == "duplicate"
    assert files(bench, second) == [
        ("a", first.id),
        ("again", first.id),
        ("b", None),
        ("btwice", second.id),
    ]
    assert bench.job(third).duplicate_of == first.id
    assert [name for name, _ in files(bench, third)] == ["a", "again", "b", "btwice"]
    assert len(files(bench, load(bench, force=True))) == 4


def test_contents_are_loaded_once_whether_alone_or_with_others(bench: Bench) -> None:
    bench.put_dataset(**SOURCE)
    alone = write(bench, "a", "1")
    first = load(bench)
    bench.put_dataset("other", source="in/a.csv")
    with bench.worker.sessions.begin() as session:
        # As an upload to the dataset would be: one file by itself.
        session.execute(update(Job).values(dataset="other"))
    single = bench.make_job("other", source=str(alone))

    assert plan(bench.worker, single.id) == "duplicate"
    assert bench.job(single).duplicate_of == first.id


def test_a_job_over_several_leaves_out_what_was_loaded_alone(bench: Bench) -> None:
    bench.put_dataset("one", source="in/a.csv")
    write(bench, "a", "1")
    write(bench, "b", "2")
    single = load(bench, dataset="one")
    bench.put_dataset("all", **SOURCE)
    with bench.worker.sessions.begin() as session:
        session.execute(update(Job).values(dataset="all"))

    assert files(bench, load(bench, dataset="all")) == [("a", single.id), ("b", None)]


def test_a_job_waits_for_one_that_is_loading_a_file_of_it(bench: Bench) -> None:
    bench.put_dataset(**SOURCE)
    write(bench, "a", "1")
    first = bench.make_job()
    plan(bench.worker, first.id)
    write(bench, "b", "2")
    second = bench.make_job()

    assert plan(bench.worker, second.id) == "queued"
    end(bench, first)
    assert plan(bench.worker, second.id) == "running"

    assert files(bench, second) == [("a", first.id), ("b", None)]


def test_an_upsert_leaves_out_files_that_are_as_they_were_loaded(bench: Bench) -> None:
    """By path: old contents that come again under another name are the state to go back to."""
    bench.put_dataset(**SOURCE, **UPSERT)
    write(bench, "a", "1")
    load(bench)
    write(bench, "a", "1", "2")
    second = load(bench)
    write(bench, "b", "1")

    third = load(bench)

    assert files(bench, second) == [("a", None)]
    assert files(bench, third) == [("a", second.id), ("b", None)]
    write(bench, "b", "3")
    fourth = load(bench)
    write(bench, "a", "1")  # as in the first job, but the table is not in that state any more
    assert files(bench, load(bench)) == [("a", None), ("b", fourth.id)]


def test_a_replace_holds_all_files_of_each_delivery(bench: Bench) -> None:
    bench.put_dataset(**SOURCE, mode="replace")
    write(bench, "a", "1")
    load(bench)
    again = bench.make_job()
    assert plan(bench.worker, again.id) == "duplicate"
    write(bench, "b", "2")

    assert files(bench, load(bench)) == [("a", None), ("b", None)]


def test_a_file_that_was_loaded_is_not_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put_dataset(**SOURCE)
    write(bench, "a", "1")
    write(bench, "b", "2")
    load(bench)
    write(bench, "b", "3")
    write(bench, "c", "4")
    read: list[str] = []

    def noted(path: Path, expected: SourceIdentity) -> str:
        read.append(path.stem)
        return fingerprint(path, expected)

    monkeypatch.setattr(job_files, "fingerprint", noted)
    load(bench)

    assert read == ["b", "c"]


@pytest.mark.parametrize(
    ("contents", "code"),
    [
        ([], "source-missing"),
        ([HEADER, ""], "source-empty"),
        ([HEADER, "name,sku\n"], "headers-differ"),
        ([HEADER, "sku,nothing\n"], "headers-differ"),
    ],
)
def test_a_delivery_that_is_not_right_fails_as_a_whole(
    bench: Bench, contents: Sequence[str], code: str
) -> None:
    bench.put_dataset(**SOURCE)
    for number, content in enumerate(contents):
        bench.write(content, f"in/{number}.csv")
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "failed"

    assert bench.job(job).error_code == code


def test_a_delivery_waits_for_its_first_file(bench: Bench) -> None:
    bench.put_dataset(**SOURCE, arrival={"wait": "1h"})
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "waiting"
    write(bench, "a", "1")
    assert plan(bench.worker, job.id) == "running"


def test_a_delivery_waits_for_the_done_file_of_each(bench: Bench) -> None:
    bench.put_dataset(**SOURCE, arrival={"wait": "1h"}, done_file="{source}.done")
    for name in ("a", "b"):
        write(bench, name, name)
    bench.write("", "in/a.csv.done")
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "waiting"
    bench.write("", "in/b.csv.done")
    assert plan(bench.worker, job.id) == "running"


def test_a_delivery_has_settled_when_no_file_came_or_grew(bench: Bench) -> None:
    bench.put_dataset(**SOURCE, settle=60)
    write(bench, "a", "1")
    job = bench.make_job()

    def look(*, after: float) -> str:
        with bench.worker.sessions.begin() as session:
            seen = session.get_one(Job, job.id).seen_identity
            if seen is not None:
                aged = seen | {"seen_at": seen["seen_at"] - after}
                session.execute(update(Job).values(seen_identity=aged))
        return plan(bench.worker, job.id)

    assert look(after=0) == "queued"
    write(bench, "b", "2")
    assert look(after=61) == "queued"
    assert look(after=61) == "running"
    assert len(files(bench, job)) == 2


def test_a_job_loads_at_most_a_thousand_files(bench: Bench) -> None:
    bench.put_dataset(**SOURCE)
    for number in range(1_001):
        bench.write(HEADER, f"in/{number}.csv")
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "failed"

    failed = bench.job(job)
    assert failed.error_code == "source-ambiguous"
    assert "1000" in (failed.error_message or "")


def test_a_file_that_was_loaded_in_part_is_not_loaded_whole(bench: Bench) -> None:
    """A chunked job has ended half-way, and its dataset takes all files since."""
    bench.put_dataset("chunked", source="in/a.csv", atomic=False)
    bench.put_dataset(**SOURCE)
    bench.set(chunk_bytes=100)
    write(bench, "a", *map(str, range(9)))
    write(bench, "b", "new")
    begun = bench.make_job("chunked")
    plan(bench.worker, begun.id)
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == begun.id, Chunk.number == 0)
            .values(state=ChunkState.DONE, rows_read=1, rows_loaded=1)
        )
        session.execute(update(Job).values(dataset="items"))
        locked = lock_job(session, begun.id)
        assert locked is not None
        record_end(session, locked, JobState.CANCELLED)
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "failed"

    failed = bench.job(job)
    assert failed.error_code == "resume-refused"
    assert str(begun.id) in (failed.error_message or "")
    assert plan(bench.worker, bench.make_job(force=True).id) == "running"
