"""Files that were loaded leave their folder, and only those."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from libs.common.enums import ChunkState, ErrorCode, Stage, Trigger
from libs.common.ledger.models import Chunk, FailedRow, Job
from libs.common.sources.regular_files import identity
from services.worker import loaded_files
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.sweeping import sweep
from services.worker.tests.conftest import HEADER, Bench

ALL: dict[str, Any] = {"source": "in/*.csv", "match": "all"}


@pytest.fixture
def folder(bench: Bench) -> Path:
    """Return the folder of the sources."""
    made = bench.folder / "in"
    made.mkdir()
    return made


def load(bench: Bench, state: ChunkState = ChunkState.DONE, **changes: Any) -> Job:
    """Make a job, plan it and pretend that its chunks ended so."""
    job = bench.make_job(**changes)
    assert plan(bench.worker, job.id) == "running"
    return end(bench, job, state)


def end(bench: Bench, job: Job, state: ChunkState = ChunkState.DONE) -> Job:
    """Pretend that the chunks of a planned job ended so."""
    failed = {} if state is ChunkState.DONE else {"error_code": "x", "error_message": "y"}
    with bench.worker.sessions.begin() as session:
        session.execute(update(Chunk).where(Chunk.job_id == job.id).values(state=state, **failed))
    finish(bench.worker, job.id)
    return bench.job(job)


def names(folder: Path) -> list[str]:
    """Return the names of all files below the folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("way", "left"), [("keep", ["a.csv"]), ("move", ["loaded/a.csv"]), ("delete", [])]
)
def test_a_loaded_file_goes_where_its_dataset_says(
    bench: Bench, folder: Path, way: str, left: list[str]
) -> None:
    bench.put_dataset(source="in/a.csv", after_load=way)
    bench.write_rows(3, "in/a.csv")

    job = load(bench)

    assert names(folder) == left
    assert job.files_due_at is None


def cut_row(bench: Bench, job: Job) -> None:
    """Give the job a failed row of which only the start is kept."""
    with bench.worker.sessions.begin() as session:
        session.add(
            FailedRow(
                job_id=job.id,
                chunk_number=0,
                line_number=2,
                byte_offset=43,
                raw=b"x",
                record_bytes=10,
                stage=Stage.PARSE,
                error_code=ErrorCode.LINE_TOO_LONG,
                message="too long",
            )
        )


def test_a_file_that_has_all_of_a_failed_row_is_moved_not_deleted(
    bench: Bench, folder: Path
) -> None:
    """Of a record above the cap only the start is kept: the rest stands in the file alone."""
    bench.put_dataset(source="in/*.csv", after_load="delete")
    bench.write_rows(3, "in/a.csv")
    job = bench.make_job()
    plan(bench.worker, job.id)
    cut_row(bench, job)

    ended = end(bench, job)

    assert names(folder) == ["loaded/a.csv"]
    assert [warning["code"] for warning in ended.warnings] == ["source-kept"]
    assert ended.files_due_at is None
    bench.write_rows(3, "in/again.csv")
    plan(bench.worker, bench.make_job().id)
    sweep(bench.worker)
    assert names(folder) == ["loaded/a.csv", "loaded/again.csv"]


def test_a_file_of_a_job_that_failed_stays(bench: Bench, folder: Path) -> None:
    bench.put_dataset(source="in/a.csv", after_load="delete")
    bench.write_rows(3, "in/a.csv")

    assert load(bench, ChunkState.FAILED).state == "failed"

    assert names(folder) == ["a.csv"]


def test_an_upload_is_left_to_retention(bench: Bench, folder: Path) -> None:
    bench.put_dataset(after_load="delete")
    path = bench.worker.settings.upload_dir / "a.csv"
    path.parent.mkdir()
    path.write_text(HEADER)

    load(bench, source=str(path), trigger=Trigger.UPLOAD)

    assert path.exists()
    assert names(folder) == []


def test_files_of_one_name_are_all_kept_where_they_are_moved_to(bench: Bench, folder: Path) -> None:
    bench.put_dataset(source="in/a.csv", after_load="move")
    jobs = []
    for rows in (3, 4):
        bench.write_rows(rows, "in/a.csv")
        jobs.append(load(bench))

    assert names(folder) == sorted(["loaded/a.csv", f"loaded/{jobs[1].id}-a.csv"])


def test_all_files_of_a_delivery_go_those_that_were_duplicates_too(
    bench: Bench, folder: Path
) -> None:
    bench.put_dataset(**ALL, after_load="move")
    bench.write_rows(3, "in/a.csv")
    load(bench)
    bench.write_rows(3, "in/again.csv")
    bench.write_rows(4, "in/b.csv")
    load(bench)
    bench.write_rows(4, "in/twice.csv")
    duplicate = bench.make_job()

    assert plan(bench.worker, duplicate.id) == "duplicate"
    assert sweep(bench.worker).files == 1

    assert names(folder) == [f"loaded/{name}.csv" for name in ("a", "again", "b", "twice")]


def test_a_file_that_is_a_duplicate_goes_too(bench: Bench, folder: Path) -> None:
    """Else it would stand beside the next one, and the dataset's source would mean two files from then on."""
    bench.put_dataset(source="in/*.csv", after_load="move")
    bench.write_rows(3, "in/a.csv")
    load(bench)
    bench.write_rows(3, "in/again.csv")
    duplicate = bench.make_job()

    assert plan(bench.worker, duplicate.id) == "duplicate"
    assert sweep(bench.worker).files == 1

    assert names(folder) == ["loaded/a.csv", "loaded/again.csv"]


@pytest.mark.parametrize("match", ["one", "all"])
def test_a_job_that_waited_for_the_load_of_its_file_is_a_duplicate(
    bench: Bench, folder: Path, match: str
) -> None:
    """It was triggered twice; when it looks again, the file has been moved."""
    bench.put_dataset(source="in/*.csv", match=match, after_load="move")
    bench.write_rows(3, "in/a.csv")
    first, second = bench.make_job(), bench.make_job()
    assert [plan(bench.worker, job.id) for job in (first, second)] == ["running", "queued"]
    end(bench, first)
    assert names(folder) == ["loaded/a.csv"]

    assert plan(bench.worker, second.id) == "duplicate"
    assert bench.job(second).duplicate_of == first.id


@pytest.mark.parametrize("way", ["move", "delete"])
def test_a_file_that_took_its_place_meanwhile_is_left_alone(
    bench: Bench, folder: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment: before it is checked, and between the look and the move."""
    bench.put_dataset(source="in/*.csv", match="newest", after_load=way)
    bench.write_rows(3, "in/a.csv")
    original = identity

    def replaced_after_the_look(path: Path) -> object:
        seen = original(path)
        if path.parent == folder:
            bench.write("a newer one\n", "in/new.tmp").rename(path)
        return seen

    monkeypatch.setattr(loaded_files, "identity", replaced_after_the_look)
    load(bench)

    assert (folder / "a.csv").read_text() == "a newer one\n"
    assert names(folder) == ["a.csv"]


def test_what_cannot_be_moved_is_tried_again_and_reported_in_the_end(
    bench: Bench, folder: Path
) -> None:
    bench.put_dataset(source="in/a.csv", after_load="move")
    bench.write_rows(3, "in/a.csv")
    (folder / "loaded").write_text("no folder")

    job = load(bench)

    assert job.files_due_at is not None
    assert job.files_due_at > datetime.now(UTC)
    long_ago = datetime.now(UTC) - timedelta(days=2)
    with bench.worker.sessions.begin() as session:
        session.execute(update(Job).values(files_due_at=long_ago, finished_at=long_ago))
    assert sweep(bench.worker).files == 1
    given_up = bench.job(job)
    assert given_up.files_due_at is None
    assert [warning["code"] for warning in given_up.warnings] == ["source-kept"]
    assert (folder / "a.csv").exists()


def test_a_link_that_took_the_folders_place_leads_nowhere(bench: Bench, folder: Path) -> None:
    bench.put_dataset(source="in/a.csv", after_load="delete")
    bench.write_rows(3, "in/a.csv")
    job = bench.make_job()
    plan(bench.worker, job.id)
    outside = bench.folder / "outside"
    folder.rename(outside)
    folder.symlink_to(outside)
    with bench.worker.sessions.begin() as session:
        session.execute(update(Chunk).values(state=ChunkState.DONE))

    finish(bench.worker, job.id)

    assert names(outside) == ["a.csv"]
    assert bench.job(job).files_due_at is not None


def test_a_link_in_the_place_of_the_folder_for_loaded_files_leads_nowhere(
    bench: Bench, folder: Path
) -> None:
    bench.put_dataset(source="in/a.csv", after_load="move")
    bench.write_rows(3, "in/a.csv")
    outside = bench.folder / "outside"
    outside.mkdir()
    (folder / "loaded").symlink_to(outside)

    job = load(bench)

    assert (names(folder), names(outside)) == (["a.csv"], [])
    assert job.files_due_at is not None
