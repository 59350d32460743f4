"""A source that grew after its load is reported once, and not appended a second time without a person's word."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from libs.common.enums import ChunkState, JobState
from libs.common.ledger.jobs import SOURCE_GREW
from libs.common.ledger.models import Chunk, Event, Job, JobFile
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.sweeping import sweep
from services.worker.tests.conftest import ROW, Bench


def _load(bench: Bench, **request: Any) -> Job:
    """Plan a job and let it end as if a loader had loaded all."""
    job = bench.make_job(**request)
    plan(bench.worker, job.id)
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == job.id)
            .values(state=ChunkState.DONE, rows_read=5, rows_loaded=5, finished_at=func.now())
        )
        session.execute(
            update(JobFile)
            .where(JobFile.job_id == job.id, JobFile.duplicate_of.is_(None))
            .values(rows_read=5, rows_loaded=5)
        )
    finish(bench.worker, job.id)
    return bench.job(job)


def _grow(bench: Bench, name: str = "items.csv") -> None:
    with (bench.folder / name).open("a") as file:
        file.write(ROW.format(99))


def _reported(bench: Bench) -> list[dict[str, Any]]:
    with bench.worker.sessions() as session:
        return list(session.scalars(select(Event.payload).where(Event.type == SOURCE_GREW)))


def test_a_source_that_grew_is_reported_once(bench: Bench) -> None:
    """The case `upload-stalls-then-goes-on`, where nobody triggers again."""
    bench.put_dataset()
    size = bench.write_rows(5).stat().st_size
    job = _load(bench)
    before = sweep(bench.worker).grown
    _grow(bench)

    counts = [sweep(bench.worker).grown for _ in range(2)]

    assert (before, counts) == (0, [1, 0])
    [payload] = _reported(bench)
    grown = (bench.folder / "items.csv").stat().st_size
    assert (payload["job_id"], payload["bytes_loaded"], payload["bytes_now"]) == (
        str(job.id),
        size,
        grown,
    )


def test_other_sources_are_not_reported(bench: Bench) -> None:
    """One that is gone, one whose name another file has now, and one that was loaded too long ago."""
    bench.put_dataset()
    for rows, name in enumerate(("gone.csv", "next.csv", "old.csv"), start=5):
        bench.write_rows(rows, name)
        assert _load(bench, source=name).state is JobState.SUCCEEDED
    (bench.folder / "gone.csv").unlink()
    bench.write_rows(50, "aside.csv").rename(bench.folder / "next.csv")
    watched = sweep(bench.worker).grown
    bench.set(source_watch_seconds=0)
    _grow(bench, "old.csv")

    assert (watched, sweep(bench.worker).grown, _reported(bench)) == (0, 0, [])


_TAKE_ROWS_TWICE = {
    "plain": "SELECT 1",
    "numbered": "ALTER TABLE public.unkeyed ADD id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "with a trigger": "CREATE TRIGGER kept BEFORE UPDATE ON public.unkeyed FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
}


@pytest.fixture
def unkeyed(bench: Bench, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a table that takes a row twice."""
    with bench.owner.begin() as connection:
        connection.execute(text("CREATE TABLE public.unkeyed (LIKE public.items)"))
        connection.execute(text(_TAKE_ROWS_TWICE[getattr(request, "param", "plain")]))
        connection.execute(text("GRANT SELECT, INSERT ON public.unkeyed TO adsp_loader"))
    yield "public.unkeyed"
    with bench.owner.begin() as connection:
        connection.execute(text("DROP TABLE public.unkeyed"))


@pytest.mark.parametrize("unkeyed", _TAKE_ROWS_TWICE, indirect=True)
def test_a_source_that_grew_is_not_appended_again(bench: Bench, unkeyed: str) -> None:
    """Seen before: the first rows were in the table twice, and both jobs `succeeded`."""
    bench.put_dataset(table=unkeyed)
    bench.write_rows(5)
    first = _load(bench)
    _grow(bench)

    refused = _load(bench)

    assert (refused.state, refused.error_code) == (JobState.FAILED, "source-grew")
    assert str(first.id) in (refused.error_message or "")
    assert _load(bench, force=True).state is JobState.SUCCEEDED


@pytest.mark.parametrize("mode", ["replace", "upsert", "append"])
def test_a_table_that_holds_no_row_twice_takes_what_grew(bench: Bench, mode: str) -> None:
    """By its state that is set, or by its key."""
    bench.put_dataset(mode=mode, key=["sku"] if mode == "upsert" else [])
    bench.write_rows(5)
    _load(bench)
    _grow(bench)

    assert _load(bench).state is JobState.SUCCEEDED


def test_a_longer_file_of_the_same_name_is_appended(bench: Bench, unkeyed: str) -> None:
    bench.put_dataset(table=unkeyed)
    bench.write_rows(5)
    _load(bench)
    bench.write("sku,name,category,price,quantity,updated_at\n" + ROW.format("b") * 9)

    assert _load(bench).state is JobState.SUCCEEDED


def test_a_file_that_was_loaded_long_ago_may_have_grown(bench: Bench, unkeyed: str) -> None:
    """Nobody sends the rest of a file after so long: it is a list that is sent again and again."""
    bench.put_dataset(table=unkeyed)
    bench.write_rows(5)
    _load(bench)
    bench.set(source_watch_seconds=0)
    _grow(bench)

    assert _load(bench).state is JobState.SUCCEEDED


def test_a_file_of_several_that_grew_is_reported(bench: Bench) -> None:
    bench.put_dataset(source="*.csv", match="all", settle=0.01)
    size = bench.write_rows(5).stat().st_size
    bench.write_rows(6, "other.csv")
    assert _load(bench).state is JobState.SUCCEEDED
    before = sweep(bench.worker).grown
    _grow(bench)

    counts = [sweep(bench.worker).grown for _ in range(2)]

    assert (before, counts) == (0, [1, 0])
    [payload] = _reported(bench)
    path = bench.folder / "items.csv"
    assert (payload["path"], payload["bytes_loaded"], payload["bytes_now"]) == (
        str(path),
        size,
        path.stat().st_size,
    )


@pytest.mark.parametrize("matches", [("one", "all"), ("all", "all"), ("all", "one")])
def test_a_file_of_several_that_grew_is_not_appended_again(
    bench: Bench, unkeyed: str, matches: tuple[str, str]
) -> None:
    """Whether it is loaded alone or with others, and was so before."""
    for name, match in zip(("first", "second"), matches, strict=True):
        bench.put_dataset(name, table=unkeyed, match=match)
    bench.write_rows(5)
    first = _load(bench, dataset="first")
    with bench.worker.sessions.begin() as session:
        session.execute(update(Job).values(dataset="second"))
    _grow(bench)

    refused = _load(bench, dataset="second")

    assert (refused.state, refused.error_code) == (JobState.FAILED, "source-grew")
    assert str(first.id) in (refused.error_message or "")
    assert _load(bench, dataset="second", force=True).state is JobState.SUCCEEDED


def test_a_file_that_grew_where_it_was_moved_to_is_reported(bench: Bench) -> None:
    """Its sender has it open, and goes on after the pause wherever it lies."""
    bench.put_dataset(after_load="move")
    size = bench.write_rows(5).stat().st_size
    (bench.folder / "loaded").mkdir()
    bench.write_rows(9, "loaded/items.csv")  # of the day before
    job = _load(bench)
    before = sweep(bench.worker).grown
    bench.write_rows(9)  # of the day after
    _grow(bench, f"loaded/{job.id}-items.csv")

    counts = [sweep(bench.worker).grown for _ in range(2)]

    assert (before, counts) == (0, [1, 0])
    assert _reported(bench)[0]["bytes_loaded"] == size
