"""Deliveries of slices have their order and their duplicates slice by slice."""

from datetime import date

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from libs.common.enums import ChunkState, JobState, Trigger
from libs.common.ledger.models import Chunk, Dataset, Job
from libs.common.ledger.replays import definition_of_replay
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.tests.conftest import Bench

SCOPE = {"updated_at": "data_date"}


@pytest.fixture
def sliced(bench: Bench) -> Bench:
    """Return a bench with a dataset of slices and files of 1 to 9 rows."""
    bench.put_dataset(mode="replace", scope=SCOPE)
    for rows in range(1, 10):
        bench.write_rows(rows, f"{rows}.csv")
    return bench


def _make(bench: Bench, day: int, rows: int, **request: object) -> Job:
    return bench.make_job(source=f"{rows}.csv", data_date=date(2026, 1, day), **request)  # type: ignore[arg-type]


def _load(bench: Bench, job: Job, rows: int = 1) -> None:
    """Pretend that a loader has loaded so many rows."""
    with bench.worker.sessions.begin() as session:
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == job.id)
            .values(state=ChunkState.DONE, rows_read=rows, rows_loaded=rows)
        )
    finish(bench.worker, job.id)


def _deliver(bench: Bench, day: int, rows: int, **request: object) -> Job:
    """Load a file of so many rows for a day, as far as its plan lets it, and return its job."""
    job = _make(bench, day, rows, **request)
    if plan(bench.worker, job.id) == JobState.RUNNING:
        _load(bench, job, rows)
    return bench.job(job)


def _set_scope(bench: Bench, scope: dict[str, str] | None) -> None:
    """Change the dataset, as PUT does."""
    with Session(bench.owner) as session, session.begin():
        dataset = session.get_one(Dataset, "items")
        dataset.definition = {**dataset.definition, "scope": scope}


def test_an_older_day_is_not_outdated_by_another_slice(sliced: Bench) -> None:
    states = [_deliver(sliced, day, rows).state for day, rows in ((3, 1), (1, 2), (2, 3))]

    assert states == [JobState.SUCCEEDED] * 3


def test_only_the_last_change_of_the_slice_makes_a_duplicate(sliced: Bench) -> None:
    """The same content for two days is two deliveries; contents A, B, A of one day are three."""
    first, other_day, again, corrected, back = (
        _deliver(sliced, day, rows) for day, rows in ((1, 5), (2, 5), (1, 5), (1, 6), (1, 5))
    )

    assert (again.state, again.duplicate_of) == (JobState.DUPLICATE, first.id)
    loaded = [first.state, other_day.state, corrected.state, back.state]
    assert loaded == [JobState.SUCCEEDED] * 4


def test_one_job_loads_at_a_time(sliced: Bench) -> None:
    """Of the whole table: slices may share keys."""
    first, second = _make(sliced, 1, 1), _make(sliced, 2, 2)
    plan(sliced.worker, first.id)

    assert plan(sliced.worker, second.id) == JobState.QUEUED
    _load(sliced, first)
    assert plan(sliced.worker, second.id) == JobState.RUNNING


def test_a_slice_waits_for_earlier_jobs_of_its_own_only(sliced: Bench) -> None:
    """What waits for the file of another day holds nothing up."""
    _make(sliced, 1, 1)
    earlier, later = _make(sliced, 2, 2), _make(sliced, 2, 3)

    assert plan(sliced.worker, later.id) == JobState.QUEUED
    assert plan(sliced.worker, earlier.id) == JobState.RUNNING


def test_a_newer_load_of_the_whole_table_outdates_a_slice(sliced: Bench) -> None:
    """And a newer slice outdates an older whole table: the newest delivery stays."""
    _set_scope(sliced, None)
    _deliver(sliced, 3, 1)
    _set_scope(sliced, SCOPE)
    older, newer = _deliver(sliced, 2, 2), _deliver(sliced, 4, 3)
    _set_scope(sliced, None)
    whole = _deliver(sliced, 3, 4)

    assert (older.state, newer.state) == (JobState.OUTDATED, JobState.SUCCEEDED)
    assert (whole.state, whole.outdated_by) == (JobState.OUTDATED, newer.id)


def test_a_load_of_the_whole_table_changes_every_slice(sliced: Bench) -> None:
    """So the same content for the slice is no duplicate after it, and neither is that content for the whole table."""
    _deliver(sliced, 1, 1)
    _set_scope(sliced, None)
    _deliver(sliced, 1, 2)
    _set_scope(sliced, SCOPE)

    assert _deliver(sliced, 1, 1).state is JobState.SUCCEEDED
    _set_scope(sliced, None)
    assert _deliver(sliced, 1, 1).state is JobState.SUCCEEDED


def test_a_definition_from_before_there_were_slices_is_one_of_whole_tables(sliced: Bench) -> None:
    _set_scope(sliced, None)
    first = _deliver(sliced, 1, 1)
    with sliced.owner.begin() as connection:
        connection.exec_driver_sql("UPDATE adsp.jobs SET definition = definition - 'scope'")

    assert _deliver(sliced, 1, 1).duplicate_of == first.id
    assert _deliver(sliced, 2, 2).rows_before == 1


def test_the_rows_before_are_those_of_the_slice_or_of_the_last_one(sliced: Bench) -> None:
    """A corrected day is held against itself, a new day against the day before."""
    before = [
        _deliver(sliced, day, rows).rows_before for day, rows in ((1, 3), (2, 5), (1, 4), (3, 7))
    ]

    assert before == [None, 3, 3, 4]


@pytest.mark.parametrize(("followed_by", "expected"), [(2, "running"), (1, "outdated")])
def test_a_replay_belongs_to_its_slice(sliced: Bench, followed_by: int, expected: str) -> None:
    """Only another load of the same slice leaves nothing to correct."""
    first = _deliver(sliced, 1, 3)
    _deliver(sliced, followed_by, 4)
    definition = first.parsed_definition()
    replay = _make(
        sliced,
        1,
        1,
        trigger=Trigger.REPLAY,
        replay_of=first.id,
        definition=definition_of_replay(definition, definition, "none"),
    )
    (sliced.folder / "uploads").mkdir(exist_ok=True)

    assert plan(sliced.worker, replay.id) == expected


def test_a_column_that_cannot_hold_days_any_more_fails_the_plan(sliced: Bench) -> None:
    """Before a row is read."""
    _set_scope(sliced, {"name": "data_date"})
    with sliced.owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE public.items ALTER name TYPE varchar(9)")
    try:
        job = _deliver(sliced, 1, 1)
    finally:
        with sliced.owner.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE public.items ALTER name TYPE text")

    assert (job.state, job.error_code) == (JobState.FAILED, "scope-not-possible")


def test_a_header_must_hold_the_column_of_the_slice(sliced: Bench) -> None:
    sliced.write("sku,name,category,price,quantity\n", "short.csv")
    job = sliced.make_job(source="short.csv")

    plan(sliced.worker, job.id)

    assert sliced.job(job).error_code == "header-missing-column"
