"""Chunks go when they were kept long enough and nobody needs them; their jobs keep the counts."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from libs.common.enums import JobState
from libs.common.ledger.models import Chunk, Job
from libs.common.sql_files import read_statement
from services.worker import cleanup
from services.worker.cleanup import delete_expired, settle_failed_rows
from services.worker.tests.conftest import Bench

CHUNKS = 2
DAYS = 30
SUCCESS = {JobState.SUCCEEDED, JobState.COMPLETED_WITH_REJECTS}
STOPPED = {JobState.FAILED, JobState.CANCELLED}
OF_DRY_RUNS = {JobState.CHECKED, *STOPPED}
NOW = datetime.now(UTC)


def _end(
    bench: Bench,
    state: JobState,
    *,
    days_ago: float = DAYS + 1,
    loaded: int = 0,
    rejected: int = 0,
    removed: bool = False,
    dry_run: bool = False,
    fingerprint: str | None = None,
) -> Job:
    """Make a job with chunks that ended then, after so many rows; its failed rows are there or removed."""
    job = bench.make_job()
    values = {
        "job": job.id,
        "state": state.value,
        "ended": NOW - timedelta(days=days_ago),
        "loaded": loaded,
        "rejected": rejected,
        "removed": NOW if removed else None,
        "dry_run": dry_run,
        "fingerprint": fingerprint,
        "code": "source-missing" if state is JobState.FAILED else None,
        "last": CHUNKS - 1,
    }
    with bench.owner.begin() as connection:
        connection.execute(
            text(
                "UPDATE adsp.jobs SET state = :state, finished_at = :ended, header = '{sku}', dry_run = :dry_run,"
                " fingerprint = :fingerprint, rows_read = :loaded + :rejected,"
                " rows_loaded = :loaded, rows_rejected = :rejected, failed_rows_removed_at = :removed,"
                " error_code = :code, error_message = :code WHERE id = :job"
            ),
            values,
        )
        connection.execute(
            text(
                "INSERT INTO adsp.chunks (job_id, number, byte_start, first_line, state, finished_at)"
                " SELECT :job, n, 0, 2, 'done', :ended FROM generate_series(0, :last) AS n"
            ),
            values,
        )
    return job


def _left(bench: Bench) -> set[UUID]:
    with bench.worker.sessions() as session:
        return set(session.scalars(select(Chunk.job_id)))


def test_they_go_where_nobody_needs_them(bench: Bench) -> None:
    """Every end, with and without rows in the table, failed rows that are there, that were removed, or none.

    Of a dry run the rows that would be in the table count for nothing.
    """
    bench.set(chunk_retention_days=DAYS)
    bench.put_dataset()
    goes: dict[UUID, bool] = {}
    for state, loaded, (rejected, removed) in product(
        sorted(SUCCESS | STOPPED), (0, 5), ((0, False), (3, False), (3, True))
    ):
        if state in SUCCESS and (state is JobState.SUCCEEDED) == (rejected > 0):
            continue  # the ledger takes no such end
        job = _end(bench, state, loaded=loaded, rejected=rejected, removed=removed)
        goes[job.id] = (state in SUCCESS or not loaded) and (removed or not rejected)
    for state, (rejected, removed) in product(
        sorted(OF_DRY_RUNS), ((0, False), (3, False), (3, True))
    ):
        job = _end(bench, state, loaded=5, rejected=rejected, removed=removed, dry_run=True)
        goes[job.id] = removed or not rejected

    removed_now = [delete_expired(bench.worker).chunks for _ in range(2)]

    assert removed_now == [CHUNKS * sum(goes.values()), 0]
    assert _left(bench) == {job for job, is_gone in goes.items() if not is_gone}
    with bench.worker.sessions() as session:
        for job in session.scalars(select(Job)):
            assert (job.chunks_removed_at is not None) == goes[job.id]
            assert job.rows_read == job.rows_loaded + job.rows_rejected


def test_they_stay_for_their_time_and_while_their_job_is_at_work(bench: Bench) -> None:
    bench.set(chunk_retention_days=DAYS)
    bench.put_dataset()
    young = _end(bench, JobState.SUCCEEDED, days_ago=DAYS - 1)
    running = _end(bench, JobState.SUCCEEDED)
    with bench.owner.begin() as connection:
        connection.execute(
            text("UPDATE adsp.jobs SET state = 'running', finished_at = NULL WHERE id = :job"),
            {"job": running.id},
        )

    assert delete_expired(bench.worker).chunks == 0
    assert _left(bench) == {young.id, running.id}


def test_they_stay_for_ever_where_nothing_is_set(bench: Bench) -> None:
    bench.put_dataset()
    job = _end(bench, JobState.SUCCEEDED, days_ago=10_000)

    assert delete_expired(bench.worker).chunks == 0
    assert _left(bench) == {job.id}


def test_a_job_that_never_had_chunks_is_not_said_to_have_lost_them(bench: Bench) -> None:
    """One that was cancelled while it was queued, or failed in its plan."""
    bench.set(chunk_retention_days=DAYS)
    bench.put_dataset()
    jobs = [_end(bench, state) for state in sorted(STOPPED)]
    with bench.owner.begin() as connection:
        connection.execute(text("DELETE FROM adsp.chunks"))
        connection.execute(text("UPDATE adsp.jobs SET header = NULL"))

    assert delete_expired(bench.worker).chunks == 0
    with bench.worker.sessions() as session:
        assert {job.id: job.chunks_removed_at for job in session.scalars(select(Job))} == {
            job.id: None for job in jobs
        }


@pytest.mark.parametrize("is_taken", [False, True], ids=["made later", "went on"])
def test_what_closes_failed_rows_stays_until_that_is_noted(bench: Bench, *, is_taken: bool) -> None:
    """The failed rows of a job are closed by the chunks of one that went on with the same content."""
    bench.set(chunk_retention_days=DAYS)
    bench.put_dataset()
    content: dict[str, Any] = {"fingerprint": "f" * 64}
    stopped = {"loaded": 5, "rejected": 3, **content}
    if is_taken:  # the job that went on was made first, and planned later
        last = _end(bench, JobState.SUCCEEDED, **content)
        first = _end(bench, JobState.FAILED, **stopped)
        with bench.owner.begin() as connection:
            connection.execute(
                text("UPDATE adsp.chunks SET taken_from = :first WHERE job_id = :last"),
                {"first": first.id, "last": last.id},
            )
    else:
        first = _end(bench, JobState.FAILED, **stopped)
        last = _end(bench, JobState.SUCCEEDED, **content)

    early = delete_expired(bench.worker).chunks
    settled = settle_failed_rows(bench.worker)
    removed = delete_expired(bench.worker).chunks
    with bench.owner.connect() as connection:
        still_open = connection.scalars(text("SELECT job_id FROM adsp.open_failed_rows")).all()

    assert (early, settled, removed, still_open) == (0, 1, CHUNKS, [])
    assert _left(bench) == {first.id}


def test_a_look_takes_all_that_may_go_in_small_statements(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "_JOBS", 2)
    bench.set(chunk_retention_days=DAYS)
    bench.put_dataset()
    for _ in range(5):
        _end(bench, JobState.SUCCEEDED)

    assert delete_expired(bench.worker).chunks == 5 * CHUNKS


def test_a_statement_takes_so_many_jobs_the_oldest_first(bench: Bench) -> None:
    bench.set(chunk_retention_days=DAYS)
    bench.put_dataset()
    jobs = [_end(bench, JobState.SUCCEEDED, days_ago=DAYS + days) for days in (1, 3, 2)]
    values = {"cutoff": NOW - timedelta(days=DAYS), "limit": 2}

    with bench.worker.engine.begin() as connection:
        connection.execute(text(read_statement(cleanup.__package__, "old_chunks")), values)

    assert _left(bench) == {jobs[0].id}


def test_a_look_finds_them_by_their_index(bench: Bench) -> None:
    """Jobs whose chunks stay or are gone cost it nothing, however many there are."""
    values = {"cutoff": NOW, "limit": 2}
    statement = read_statement(cleanup.__package__, "old_chunks")

    with bench.worker.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "\n".join(connection.scalars(text(f"EXPLAIN {statement}"), values))

    assert "Index Scan using ix_jobs_with_old_chunks" in plan
