"""Planning writes chunks for a source that can be loaded and a clear error for one that cannot."""

import errno
import gzip
import hashlib
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update
from structlog.testing import capture_logs

from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import ChunkState, ErrorCode, JobState, LoadMode, OutOfOrder, Stage, Trigger
from libs.common.ledger.job_end import record_end
from libs.common.ledger.models import Chunk, FailedRow, Job
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.regular_files import SourceIdentity
from services.worker.finishing import finish
from services.worker.planning import source_plans
from services.worker.planning.job_plan import plan
from services.worker.planning.source_inspection import Inspected, inspect_file
from services.worker.planning.source_scan import FileReader
from services.worker.tests.conftest import HEADER, Bench


def test_plan_writes_one_chunk_for_an_atomic_dataset(bench: Bench) -> None:
    """An atomic job is one transaction, so it is one chunk from the header's end to the file's."""
    bench.put_dataset()
    path = bench.write_rows(10)
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "running"

    planned, chunks = bench.job(job), bench.chunks(job)
    assert (planned.bytes_total, planned.source_path) == (path.stat().st_size, str(path))
    assert len(planned.fingerprint or "") == 64
    assert [(c.number, c.byte_start, c.byte_end, c.first_line) for c in chunks] == [
        (0, len(HEADER), None, 2)
    ]


def test_plan_keeps_where_the_records_begin(bench: Bench) -> None:
    """A loader need not read the header again."""
    bench.put_dataset()
    bench.write_rows(10)
    job = bench.make_job()

    plan(bench.worker, job.id)

    end = bench.job(job).header_end or {}
    assert (end["byte_end"], end["next_line"]) == (len(HEADER), 2)


def test_planning_twice_changes_nothing(bench: Bench) -> None:
    """A redelivered plan finds the job planned."""
    bench.put_dataset()
    bench.write_rows(3)
    job = bench.make_job()
    plan(bench.worker, job.id)

    assert plan(bench.worker, job.id) == "not-due"

    assert bench.job(job).attempt == 1
    assert len(bench.chunks(job)) == 1


def test_plan_cuts_a_dataset_that_is_not_atomic_at_records(bench: Bench) -> None:
    """Chunks cover the file without gap, and only the first one is sent where the order of keys matters."""
    bench.put_dataset(atomic=False)
    bench.set(chunk_bytes=25)
    content = bench.write_rows(40).read_bytes()
    job = bench.make_job()

    plan(bench.worker, job.id)

    chunks = bench.chunks(job)
    starts = [chunk.byte_start for chunk in chunks]
    assert len(chunks) > 5
    assert [chunk.byte_end for chunk in chunks] == [*starts[1:], None]
    assert all(content[start:].startswith(b"SKU-") for start in starts)
    assert [content[:s].count(b"\n") + 1 for s in starts] == [c.first_line for c in chunks]
    assert bench.job(job).chunks_at_once == 1
    assert [chunk.number for chunk in chunks if chunk.published_at] == [0]


@pytest.mark.parametrize("most", [2, 3, 100])
def test_no_more_chunks_of_a_job_are_under_way_than_may_be(bench: Bench, most: int) -> None:
    """Else those of a large file would stand before every other job; each end lets one more go."""
    with bench.owner.begin() as connection:
        for statement in (
            "CREATE TABLE IF NOT EXISTS public.unordered (LIKE public.items)",
            "GRANT SELECT, INSERT ON public.unordered TO adsp_loader",
        ):
            connection.execute(text(statement))
    bench.put_dataset(atomic=False, table="public.unordered")
    bench.set(chunk_bytes=100, chunks_at_once=most)
    bench.write_rows(40)
    job = bench.make_job()
    plan(bench.worker, job.id)
    count = len(bench.chunks(job))
    under_way, order = [], []
    for _ in range(count):
        sent = [chunk.number for chunk in bench.chunks(job) if chunk.next_attempt_at is not None]
        under_way.append(len(sent))
        order.append(sent[-1])  # not the first: they may end in any order
        with bench.worker.sessions.begin() as session:
            session.execute(
                update(Chunk)
                .where(Chunk.job_id == job.id, Chunk.number == sent[-1])
                .values(state=ChunkState.DONE, next_attempt_at=None, finished_at=func.now())
            )
        finish(bench.worker, job.id)

    assert count > 5
    assert max(under_way) == under_way[0] == min(most, count)
    assert under_way == [min(most, count - ended) for ended in range(count)]
    assert sorted(order) == list(range(count))
    assert bench.job(job).state is JobState.SUCCEEDED


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_plan_cuts_where_the_header_says_that_records_end(bench: Bench, ending: str) -> None:
    """A lone return cuts a file of lone returns only, and is no line of any other."""
    bench.put_dataset(atomic=False)
    bench.set(chunk_bytes=25)
    path = bench.write_rows(40)
    text = path.read_text().replace("SKU-", "\rSKU-" if ending != "\r" else "SKU-")
    path.write_bytes(text.replace("\n", ending).encode())
    job = bench.make_job()

    plan(bench.worker, job.id)

    chunks, content = bench.chunks(job), path.read_bytes()
    starts = [chunk.byte_start for chunk in chunks]
    assert len(chunks) > 5
    assert all(content[:start].endswith(ending.encode()) for start in starts)
    lines = [content[:start].count(ending.encode()) + 1 for start in starts]
    assert [chunk.first_line for chunk in chunks] == lines


def test_the_byte_order_of_utf_16_is_noted_for_those_who_cannot_see_the_mark(bench: Bench) -> None:
    """Chunks begin where a unit does, and the job's own definition names the order."""
    bench.put_dataset(atomic=False, format={"encoding": "utf-16"})
    bench.set(chunk_bytes=25)
    path = bench.write_rows(40)
    path.write_bytes(("\ufeff" + path.read_text()).encode("utf-16-be"))
    job = bench.make_job()

    plan(bench.worker, job.id)

    chunks, content = bench.chunks(job), path.read_bytes()
    assert bench.job(job).parsed_definition().format.encoding == "utf-16-be"
    assert len(chunks) > 5
    starts = [chunk.byte_start for chunk in chunks]
    assert all(content[:start].endswith(b"\0\n") for start in starts)
    text = [content[:start].decode("utf-16-be") for start in starts]
    assert [chunk.first_line for chunk in chunks] == [part.count("\n") + 1 for part in text]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_the_digest_of_one_chunk_is_that_of_the_file(
    bench: Bench, compress: Callable[[bytes], bytes]
) -> None:
    """A replay's fingerprint is another one; what a loader reads is the file."""
    bench.put_dataset()
    content = compress(bench.write_rows(10).read_bytes())
    bench.write(content)
    job = bench.make_job()

    plan(bench.worker, job.id)

    assert [chunk.digest for chunk in bench.chunks(job)] == [hashlib.sha256(content).hexdigest()]


@pytest.mark.parametrize("footer", [None, {"lines": 1}])
def test_the_digests_of_chunks_are_those_of_header_and_part(
    bench: Bench, footer: dict[str, int] | None
) -> None:
    bench.put_dataset(atomic=False, format={"footer": footer})
    bench.set(chunk_bytes=25)
    content = bench.write_rows(40).read_bytes()
    job = bench.make_job()

    plan(bench.worker, job.id)

    chunks = bench.chunks(job)
    parts = [HEADER.encode() + content[c.byte_start : c.byte_end] for c in chunks]
    assert [c.digest for c in chunks] == [hashlib.sha256(part).hexdigest() for part in parts]
    assert bench.job(job).fingerprint == hashlib.sha256(content).hexdigest()


def test_the_log_does_not_repeat_what_stands_in_a_file(bench: Bench) -> None:
    """A first record that is taken for the header: the job's error names its cells, the log must not."""
    bench.put_dataset()
    bench.write("4111-1111,Jane Doe,x,1.00,1,2026-01-01\n" * 2)
    job = bench.make_job()

    with capture_logs() as lines:
        assert plan(bench.worker, job.id) == "failed"

    assert "4111-1111" in (bench.job(job).error_message or "")
    failed = [line for line in lines if line["event"] == "job_failed"]
    assert [line["code"] for line in failed] == ["header-unknown-column"]
    assert "4111-1111" not in str(lines)


@pytest.mark.parametrize("given", [None, 7, 0, 1_000_000])
def test_a_job_has_a_bound_of_failed_rows_also_where_its_dataset_has_none(
    bench: Bench, given: int | None
) -> None:
    """Of a file as it is no record is shorter than a byte, so that the bound is one of compressed files alone."""
    bench.put_dataset(max_rejected_rows=given)
    bench.set(max_rejected_rows=100)
    content = bench.write_rows(0).read_bytes() + b"x\n" * 100_000
    size = bench.write(gzip.compress(content, mtime=0)).stat().st_size
    job = bench.make_job()

    plan(bench.worker, job.id)

    definition = bench.job(job).parsed_definition()
    assert definition.max_rejected_rows == (100 + size if given is None else given)


def test_a_header_alone_is_a_plan(bench: Bench) -> None:
    """A day without rows is a day, not an error."""
    bench.put_dataset()
    bench.write(HEADER)
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "running"

    assert len(bench.chunks(job)) == 1


def _nothing(_folder: Path) -> None:
    """Leave the source missing."""


def _folder(folder: Path) -> None:
    (folder / "items.csv").mkdir()


def _fifo(folder: Path) -> None:
    os.mkfifo(folder / "items.csv")


def _empty(folder: Path) -> None:
    (folder / "items.csv").touch()


def _wrong_header(folder: Path) -> None:
    (folder / "items.csv").write_text("sku,colour\n1,red\n")


def _short_header(folder: Path) -> None:
    (folder / "items.csv").write_text("sku,name\n1,lamp\n")


def _repeated_header(folder: Path) -> None:
    (folder / "items.csv").write_text("sku,sku,name,category,price,quantity,updated_at\n")


def _outside(folder: Path) -> None:
    (folder / "items.csv").symlink_to("/etc/passwd")


def _truncated_archive(folder: Path) -> None:
    (folder / "items.csv").write_bytes(gzip.compress(HEADER.encode() * 50)[:-20])


@pytest.mark.parametrize(
    ("prepare", "code", "cure"),
    [
        (_nothing, "source-missing", "put it there"),
        (_folder, "source-not-regular", "name a file"),
        (_fifo, "source-not-regular", "name a file"),
        (_empty, "source-empty", "needs a header"),
        (_wrong_header, "header-unknown-column", "colour"),
        (_short_header, "header-missing-column", "category"),
        (_repeated_header, "header-repeated-column", "sku"),
        (_outside, "source-not-allowed", "ADSP_SOURCE_ROOTS"),
        (_truncated_archive, "source-corrupt", "send the file again"),
    ],
)
def test_a_source_that_cannot_be_loaded_fails_the_job_with_its_cure(
    bench: Bench, prepare: object, code: str, cure: str
) -> None:
    """Nothing is loaded, and the job says what is wrong and what to do."""
    bench.put_dataset()
    prepare(bench.folder)  # type: ignore[operator]
    job = bench.make_job()

    assert plan(bench.worker, job.id) == "failed"

    failed = bench.job(job)
    assert failed.error_code == code
    assert cure in (failed.error_message or "")
    assert bench.chunks(job) == []


def test_a_plan_names_the_grant_that_a_serial_column_needs(bench: Bench) -> None:
    """Of a dataset that is older than the look at its PUT; a file that brings the column needs no grant."""
    with bench.owner.begin() as connection:
        connection.execute(
            text(
                "CREATE SCHEMA feed; CREATE TABLE feed.cities (id serial, name text);"
                "GRANT USAGE ON SCHEMA feed TO adsp_loader; GRANT INSERT ON feed.cities TO adsp_loader"
            )
        )
    try:
        bench.put_dataset(table="feed.cities")
        jobs = []
        for content in ("name\nGraz\n", "id,name\n1,Graz\n"):
            bench.write(content)
            jobs.append(bench.make_job())
            plan(bench.worker, jobs[-1].id)
    finally:
        with bench.owner.begin() as connection:
            connection.execute(text("DROP SCHEMA feed CASCADE"))

    refused, planned = (bench.job(job) for job in jobs)
    assert (refused.error_code, planned.state) == ("table-not-permitted", JobState.RUNNING)
    assert "GRANT USAGE ON SEQUENCE feed.cities_id_seq TO adsp_loader" in (
        refused.error_message or ""
    )


def test_a_source_that_keeps_changing_is_looked_at_again_and_then_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-written file waits for its writer, but not for ever."""
    bench.put_dataset()
    path = bench.write_rows(3)
    grow = _growing(path)
    monkeypatch.setattr("services.worker.planning.source_scan.fingerprint", grow)
    job = bench.make_job()
    attempts = bench.worker.settings.plan_max_attempts

    states = [plan(bench.worker, job.id) for _ in range(attempts)]

    assert states == ["queued"] * (attempts - 1) + ["failed"]
    assert bench.job(job).error_code == "source-changing"


def _growing(path: Path) -> object:
    def fingerprint_while_written(source: Path, seen: SourceIdentity) -> str:
        with path.open("a") as file:
            file.write("more\n")
        return fingerprint(source, seen)

    return fingerprint_while_written


def _load(bench: Bench, job: Job, rows: int = 1) -> None:
    """Pretend that a loader has done the job's chunks, each with so many rows."""
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == job.id)
            .values(state=ChunkState.DONE, rows_read=rows, rows_loaded=rows)
        )
    finish(bench.worker, job.id)


def _stop_half_way(bench: Bench, job: Job) -> None:
    """Pretend that a loader has done the job's first chunk and failed in the others."""
    with bench.worker.sessions.begin() as session:
        of_job = Chunk.job_id == job.id
        session.execute(
            update(Chunk)
            .where(of_job, Chunk.number == 0)
            .values(state=ChunkState.DONE, rows_read=4, rows_loaded=4)
        )
        session.execute(
            update(Chunk)
            .where(of_job, Chunk.number > 0)
            .values(state=ChunkState.FAILED, error_code="load-fault", error_message="disk full")
        )
    finish(bench.worker, job.id)


def test_the_same_content_under_another_name_is_a_duplicate(bench: Bench) -> None:
    """Promise 2: the same content is never loaded twice, unless a person asks with force."""
    bench.put_dataset()
    bench.write_rows(3)
    first = bench.make_job()
    plan(bench.worker, first.id)
    _load(bench, first)
    bench.write_rows(3, "again.csv")
    second, forced = (
        bench.make_job(source="again.csv"),
        bench.make_job(source="again.csv", force=True),
    )

    assert plan(bench.worker, second.id) == "duplicate"
    assert plan(bench.worker, forced.id) == "running"

    assert bench.job(second).duplicate_of == first.id


def test_a_report_that_is_the_same_on_two_days_is_loaded_for_each(bench: Bench) -> None:
    """`once: data_date`, also while the other day's job is loading."""
    bench.put_dataset(once="data_date")
    bench.write_rows(3)
    monday, tuesday, again = (bench.make_job(data_date=date(2026, 11, day)) for day in (23, 24, 23))

    assert [plan(bench.worker, job.id) for job in (monday, tuesday)] == ["running", "running"]
    assert plan(bench.worker, again.id) == "queued"
    _load(bench, monday)
    assert plan(bench.worker, again.id) == "duplicate"

    assert bench.job(again).duplicate_of == monday.id


def test_a_half_loaded_report_of_another_day_is_not_gone_on_with(bench: Bench) -> None:
    bench.put_dataset(once="data_date", atomic=False)
    bench.set(chunk_bytes=25)
    bench.write_rows(8)
    monday, tuesday, again = (bench.make_job(data_date=date(2026, 11, day)) for day in (23, 24, 23))
    plan(bench.worker, monday.id)
    _stop_half_way(bench, monday)

    assert [plan(bench.worker, job.id) for job in (tuesday, again)] == ["running", "running"]

    assert {chunk.state for chunk in bench.chunks(tuesday)} == {ChunkState.QUEUED}
    assert ChunkState.DONE in {chunk.state for chunk in bench.chunks(again)}


@pytest.mark.parametrize("mode", [LoadMode.REPLACE, LoadMode.UPSERT])
def test_a_state_that_comes_back_is_loaded_again(bench: Bench, mode: LoadMode) -> None:
    """Contents A, B, A are three loads; only the content of the last change is a duplicate."""
    bench.put_dataset(mode=mode, key=["sku"] if mode is LoadMode.UPSERT else [])
    for rows, name in ((3, "a.csv"), (5, "b.csv")):
        bench.write_rows(rows, name)
    states = []
    for name in ("a.csv", "b.csv", "b.csv", "a.csv", "a.csv"):
        job = bench.make_job(source=name)
        states.append(plan(bench.worker, job.id))
        if states[-1] == "running":
            _load(bench, job)

    assert states == ["running", "running", "duplicate", "running", "duplicate"]


def test_an_empty_snapshot_comes_back(bench: Bench) -> None:
    """Two snapshots of a header alone with rows between them are two changes of the table."""
    bench.put_dataset(mode=LoadMode.REPLACE)
    bench.write_rows(0, "empty.csv")
    bench.write_rows(2, "full.csv")
    states = []
    for name in ("empty.csv", "full.csv", "empty.csv", "empty.csv"):
        job = bench.make_job(source=name)
        states.append(plan(bench.worker, job.id))
        if states[-1] == "running":
            _load(bench, job, rows=0 if name == "empty.csv" else 1)

    assert states == ["running", "running", "running", "duplicate"]


@pytest.mark.parametrize("force", [False, True])
def test_a_state_is_set_by_one_job_at_a_time(bench: Bench, force: bool) -> None:  # noqa: FBT001
    """The next one waits for the end of the first, and is due then."""
    bench.put_dataset(mode=LoadMode.REPLACE)
    bench.set(turn_wait_seconds=3600)
    for rows, name in ((3, "a.csv"), (5, "b.csv")):
        bench.write_rows(rows, name)
    first, second = (
        bench.make_job(source="a.csv"),
        bench.make_job(source="b.csv", force=force),
    )
    plan(bench.worker, first.id)

    assert plan(bench.worker, second.id) == "queued"
    waits_until = bench.job(second).next_attempt_at
    _load(bench, first)

    woken_at = bench.job(second).next_attempt_at
    assert waits_until is not None
    assert woken_at is not None
    assert woken_at < waits_until
    assert plan(bench.worker, second.id) == "running"


@pytest.mark.parametrize("mode", [LoadMode.REPLACE, LoadMode.UPSERT])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "outdated"),
        ({"force": True}, "running"),
        ({"out_of_order": "load"}, "running"),
    ],
    ids=["refused", "forced", "allowed"],
)
def test_an_older_delivery_does_not_overwrite_a_newer_one(
    bench: Bench, mode: LoadMode, changes: dict[str, object], expected: str
) -> None:
    """Promise 6; the job names the newer one."""
    key = ["sku"] if mode is LoadMode.UPSERT else []
    order = changes.get("out_of_order", "refuse")
    bench.put_dataset(mode=mode, key=key, out_of_order=order)
    bench.write_rows(3, "newer.csv")
    bench.write_rows(5, "older.csv")
    newer = bench.make_job(source="newer.csv", data_date=date(2026, 1, 2))
    plan(bench.worker, newer.id)
    _load(bench, newer)
    older = bench.make_job(
        source="older.csv", data_date=date(2026, 1, 1), force=changes.get("force", False)
    )

    assert plan(bench.worker, older.id) == expected

    named = newer.id if expected == "outdated" else None
    assert bench.job(older).outdated_by == named


def test_a_duplicate_is_the_delivery_of_its_day(bench: Bench) -> None:
    """The same snapshot on the next day leaves nothing for a late one of the day before to change."""
    bench.put_dataset(mode=LoadMode.REPLACE)
    bench.write_rows(3, "same.csv")
    bench.write_rows(5, "late.csv")
    states = []
    for name, day in (("same.csv", 1), ("same.csv", 3), ("late.csv", 2)):
        job = bench.make_job(source=name, data_date=date(2026, 1, day))
        states.append(plan(bench.worker, job.id))
        if states[-1] == "running":
            _load(bench, job)

    assert states == ["running", "duplicate", "outdated"]


def test_deliveries_are_loaded_by_their_dates(bench: Bench) -> None:
    """Whatever is planned first: each waits for the earlier ones, and an ended one wakes the next."""
    bench.put_dataset(mode=LoadMode.UPSERT, key=["sku"])
    days = [3, 1, 2]
    jobs = {}
    for day in days:
        bench.write_rows(day, f"{day}.csv")
        jobs[day] = bench.make_job(source=f"{day}.csv", data_date=date(2026, 1, day))

    loaded = []
    for _ in range(len(days)):
        states = {day: plan(bench.worker, jobs[day].id) for day in days if day not in loaded}
        running = [day for day, state in states.items() if state == "running"]
        assert {state for day, state in states.items() if day not in running} <= {"queued"}
        assert len(running) == 1
        _load(bench, jobs[running[0]])
        loaded += running

    assert loaded == [1, 2, 3]


def test_appends_have_no_order(bench: Bench) -> None:
    """They are loaded at once, in any order."""
    bench.put_dataset()
    for day in (2, 1):
        bench.write_rows(day, f"{day}.csv")
        job = bench.make_job(source=f"{day}.csv", data_date=date(2026, 1, day))

        assert plan(bench.worker, job.id) == "running"


@pytest.mark.parametrize("order", OutOfOrder)
@pytest.mark.parametrize(("followed", "expected"), [(False, "running"), (True, "outdated")])
def test_a_replay_belongs_to_its_delivery(
    bench: Bench,
    order: OutOfOrder,
    followed: bool,  # noqa: FBT001
    expected: str,
) -> None:
    """Failed rows of a snapshot that was replaced since do not come into the new one, with order or without."""
    bench.put_dataset(mode=LoadMode.REPLACE, out_of_order=order)
    for rows, name in ((3, "first.csv"), (5, "second.csv"), (1, "corrected.csv")):
        bench.write_rows(rows, name)
    first = bench.make_job(source="first.csv")
    plan(bench.worker, first.id)
    _load(bench, first)
    if followed:
        second = bench.make_job(source="second.csv")
        plan(bench.worker, second.id)
        _load(bench, second)
    replay = bench.make_job(
        source="corrected.csv",
        trigger=Trigger.REPLAY,
        replay_of=first.id,
        definition=first.parsed_definition().model_copy(update={"mode": LoadMode.APPEND}),
    )

    assert plan(bench.worker, replay.id) == expected


def test_a_corrected_snapshot_is_not_loaded_over_by_its_own_source(bench: Bench) -> None:
    """A replay is a part of its delivery, so the same source is a duplicate still."""
    bench.put_dataset(mode=LoadMode.REPLACE)
    bench.write_rows(3)
    bench.write_rows(1, "corrected.csv")
    first = bench.make_job()
    plan(bench.worker, first.id)
    _load(bench, first)
    replay = bench.make_job(
        source="corrected.csv",
        trigger=Trigger.REPLAY,
        replay_of=first.id,
        definition=first.parsed_definition().model_copy(update={"mode": LoadMode.APPEND}),
    )
    plan(bench.worker, replay.id)
    _load(bench, replay)
    again = bench.make_job()

    assert plan(bench.worker, again.id) == "duplicate"
    assert bench.job(again).duplicate_of == first.id


def test_a_duplicate_waits_while_the_same_content_is_loaded(bench: Bench) -> None:
    """It becomes a duplicate when the first one has loaded."""
    bench.put_dataset()
    bench.write_rows(3)
    first, duplicate = bench.make_job(), bench.make_job()
    plan(bench.worker, first.id)

    assert plan(bench.worker, duplicate.id) == "queued"
    _load(bench, first)
    assert plan(bench.worker, duplicate.id) == "duplicate"


def test_a_duplicate_loads_when_the_first_one_fails(bench: Bench) -> None:
    """Content that was not loaded is not a duplicate of anything."""
    bench.put_dataset()
    bench.write_rows(3)
    first, duplicate = bench.make_job(), bench.make_job()
    plan(bench.worker, first.id)
    plan(bench.worker, duplicate.id)
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == first.id)
            .values(state=ChunkState.FAILED, error_code="load-fault", error_message="disk full")
        )
    finish(bench.worker, first.id)

    assert bench.job(first).state is JobState.FAILED
    assert plan(bench.worker, duplicate.id) == "running"


def test_a_failed_job_that_is_not_atomic_is_gone_on_with(bench: Bench) -> None:
    """Chunks that an earlier job of the same content has loaded are taken over, not loaded again."""
    bench.put_dataset(atomic=False)
    bench.set(chunk_bytes=50)
    bench.write_rows(20)
    first = bench.make_job()
    plan(bench.worker, first.id)
    _stop_half_way(bench, first)
    second = bench.make_job()

    plan(bench.worker, second.id)

    before, after = bench.chunks(first), bench.chunks(second)
    assert [c.byte_start for c in after] == [c.byte_start for c in before]
    assert [c.state for c in after] == [ChunkState.DONE] + [ChunkState.QUEUED] * (len(before) - 1)
    assert after[0].rows_loaded == 4
    assert [c.number for c in after if c.published_at] == [1]


def test_a_job_goes_on_with_what_ended_last_whenever_that_was_made(bench: Bench) -> None:
    """The last job of a chain was made before the one that it went on with."""
    bench.put_dataset(atomic=False)
    bench.set(chunk_bytes=50)
    bench.write_rows(20)
    older, newer, third = (bench.make_job() for _ in range(3))
    plan(bench.worker, newer.id)
    _stop_half_way(bench, newer)
    plan(bench.worker, older.id)
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == older.id, Chunk.number == 1)
            .values(state=ChunkState.DONE, rows_read=4, rows_loaded=4)
        )
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == older.id, Chunk.number > 1)
            .values(state=ChunkState.FAILED, error_code="load-fault", error_message="disk full")
        )
    finish(bench.worker, older.id)

    plan(bench.worker, third.id)

    done = [chunk.number for chunk in bench.chunks(third) if chunk.state is ChunkState.DONE]
    assert done == [0, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"atomic": True},
        {"table": "public.other_items"},
        {"columns": {"sku": "sku"}},
        {"format": {"null": "-"}},
        {"time_zone": "Europe/Vienna"},
        {"date_order": "DMY"},
        {"header_match": "case_insensitive"},
        {"unknown_columns": "ignore"},
        {"convert": {"name": {"trim": True}}},
        {"add": {"category": "$file"}, "columns": {"category": None}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_job_is_gone_on_with_only_under_an_equal_definition(
    bench: Bench, change: dict[str, object]
) -> None:
    """What would load done chunks again, or the rest into another place, fails and says what to do."""
    bench.put_dataset(atomic=False)
    bench.set(chunk_bytes=50)
    bench.write_rows(20)
    with bench.owner.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE IF NOT EXISTS public.other_items (LIKE public.items INCLUDING ALL)"
        )
        connection.exec_driver_sql("GRANT ALL ON public.other_items TO adsp_loader, adsp_worker")
    first = bench.make_job()
    plan(bench.worker, first.id)
    _stop_half_way(bench, first)
    definition = DatasetDefinition.model_validate(first.definition | change)
    second, forced = (
        bench.make_job(definition=definition),
        bench.make_job(definition=definition, force=True),
    )

    assert plan(bench.worker, second.id) == "failed"
    assert plan(bench.worker, forced.id) == "running"

    ended = bench.job(second)
    assert ended.error_code == "resume-refused"
    assert next(iter(change)) in (ended.error_message or "")
    assert "GET /v1/datasets/items/versions/1" in (ended.error_message or "")
    assert bench.chunks(second) == []


def test_failed_rows_of_chunks_that_are_taken_over_move(bench: Bench) -> None:
    """A failed row belongs to one job, or it would be replayed from both."""
    bench.put_dataset(atomic=False)
    bench.set(chunk_bytes=50)
    bench.write_rows(20)
    first = bench.make_job()
    plan(bench.worker, first.id)
    with bench.worker.sessions.begin() as session:
        for chunk in (0, 1):
            session.add(
                FailedRow(
                    job_id=first.id,
                    chunk_number=chunk,
                    line_number=2,
                    byte_offset=chunk,
                    raw=b"x",
                    stage=Stage.PARSE,
                    error_code=ErrorCode.MISSING_CELL,
                    message="a cell is missing",
                )
            )
        session.execute(update(Chunk).values(rejected_by_code={"missing-cell": 1}))
    _stop_half_way(bench, first)
    second = bench.make_job()
    plan(bench.worker, second.id)

    with bench.worker.sessions() as session:
        owners = session.execute(select(FailedRow.chunk_number, FailedRow.job_id)).all()
    assert {row.chunk_number: row.job_id for row in owners} == {0: second.id, 1: first.id}
    counts = [chunk.rejected_by_code for chunk in bench.chunks(second)]
    assert counts[:2] == [{"missing-cell": 1}, None]


def test_a_failed_job_that_has_loaded_nothing_is_begun_anew(bench: Bench) -> None:
    """A wrong format may have rejected every record; corrected, the same file must be loadable."""
    bench.put_dataset(atomic=False)
    bench.write_rows(20)
    first = bench.make_job()
    plan(bench.worker, first.id)
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == first.id)
            .values(state=ChunkState.DONE, rows_read=20, rows_rejected=20)
        )
        session.execute(
            update(Job)
            .where(Job.id == first.id)
            .values(definition=first.definition | {"max_rejected_rows": 0})
        )
    assert finish(bench.worker, first.id) == "failed"
    second = bench.make_job()

    plan(bench.worker, second.id)

    assert [chunk.state for chunk in bench.chunks(second)] == [ChunkState.QUEUED]


@pytest.mark.parametrize(
    "fault",
    [OSError(errno.EIO, "Input/output error"), StopIteration(), ValueError("x" * 4_000)],
    ids=lambda fault: type(fault).__name__,
)
def test_a_plan_that_always_breaks_is_begun_so_often_and_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The reason stands in the job; a file that cannot be read is not checked for ever."""
    bench.put_dataset()
    bench.write_rows(1)
    bench.set(plan_max_attempts=3)
    job = bench.make_job()

    def break_down(*_given: object) -> str:
        raise fault

    monkeypatch.setattr(FileReader, "scan", break_down)

    states = [plan(bench.worker, job.id) for _ in range(3)]

    ended = bench.job(job)
    assert states == ["queued", "queued", "failed"]
    assert (ended.error_code, ended.attempt) == ("plan-fault", 3)
    assert type(fault).__name__ in (ended.error_message or "")
    assert len(ended.error_message or "") <= 2_000


def test_a_definition_that_cannot_be_read_any_more_fails_its_job(bench: Bench) -> None:
    """It may name what this version, or this machine, does not know."""
    bench.put_dataset()
    bench.write_rows(1)
    bench.set(plan_max_attempts=2)
    job = bench.make_job()
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Job)
            .where(Job.id == job.id)
            .values(definition=job.definition | {"time_zone": "Mars/Phobos"})
        )

    states = [plan(bench.worker, job.id) for _ in range(2)]

    assert states == ["queued", "failed"]
    assert bench.job(job).error_code == "plan-fault"


def test_an_upload_is_complete_and_does_not_wait_to_settle(bench: Bench) -> None:
    """An upload was renamed into place; waiting would only cost time."""
    bench.set(source_settle_seconds=3600)
    bench.put_dataset()
    bench.write_rows(1)
    job = bench.make_job(trigger=Trigger.UPLOAD)

    assert plan(bench.worker, job.id) == "running"


def test_a_job_that_is_cancelled_while_it_is_planned_gets_no_chunks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end comes in the middle of the plan, as it does when the api cancels the job."""
    bench.put_dataset()
    bench.write_rows(3)
    job = bench.make_job()

    def look_and_cancel(*given: object) -> Inspected:
        with bench.worker.sessions.begin() as session:
            record_end(session, session.get_one(Job, job.id), JobState.CANCELLED)
        return inspect_file(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(source_plans, "inspect_file", look_and_cancel)

    assert plan(bench.worker, job.id) == "cancelled"

    assert bench.chunks(job) == []
