"""Failed rows go when they were kept long enough, with what people made of them; their counts stay."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text

from libs.common.enums import ErrorCode, Stage, Trigger
from libs.common.ids import earliest_uuid7
from libs.common.ledger.models import Correction, FailedRow, Job
from services.worker.cleanup import delete_expired
from services.worker.tests.conftest import Bench

ROWS = 3
NOW = datetime.now(UTC)
PARTITION_OF = "SELECT tableoid::regclass::text FROM adsp.failed_rows WHERE job_id = :job"


def _end(bench: Bench, days_ago: float, dataset: str = "items") -> Job:
    """Make a job that ended then, with failed rows and a draft of that day."""
    ended = NOW - timedelta(days=days_ago)
    job = bench.make_job(dataset)
    with bench.owner.begin() as connection:
        values = {"job": job.id, "ended": ended, "rows": ROWS}
        connection.execute(
            text(
                "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = :ended, rows_read = :rows,"
                " rows_rejected = :rows, rejected_by_code = '{\"check\"\\: 3}' WHERE id = :job"
            ),
            values,
        )
        connection.execute(
            text(
                "INSERT INTO adsp.corrections (job_id, byte_offset, discarded, corrected_by, corrected_at)"
                " VALUES (:job, 0, TRUE, 'somebody', :ended)"
            ),
            values,
        )
    _add_rows(bench, job)
    return job


def _add_rows(bench: Bench, job: Job) -> None:
    with bench.worker.sessions.begin() as session:
        for place in range(ROWS):
            session.add(
                FailedRow(
                    job_id=job.id,
                    chunk_number=0,
                    line_number=place + 2,
                    byte_offset=place,
                    raw=b"1",
                    stage=Stage.CONSTRAINT,
                    error_code=ErrorCode.CHECK,
                    message="price is below 0",
                )
            )


def _left(bench: Bench) -> set[UUID]:
    """Return the jobs that have failed rows, each of which has a draft too."""
    with bench.worker.sessions() as session:
        jobs = set(session.scalars(select(FailedRow.job_id)))
    with bench.owner.connect() as connection:
        assert jobs == set(connection.scalars(select(Correction.job_id)))
    return jobs


def test_they_go_when_their_dataset_says_so(bench: Bench) -> None:
    bench.put_dataset(keep_failed_rows_days=90)
    bench.put_dataset("for-ever")
    old, young = _end(bench, 91), _end(bench, 89)
    kept = _end(bench, 10_000, "for-ever")

    removed = [delete_expired(bench.worker).failed_rows for _ in range(2)]

    assert removed == [ROWS, 0]
    assert _left(bench) == {young.id, kept.id}
    found = bench.job(old)
    assert (found.rows_rejected, found.rejected_by_code) == (3, {"check": 3})
    assert found.failed_rows_removed_at is not None
    assert found.failed_rows_settled
    assert bench.job(young).failed_rows_removed_at is None


def test_the_setting_holds_where_a_dataset_says_nothing(bench: Bench) -> None:
    bench.set(failed_row_retention_days=30)
    bench.put_dataset()
    bench.put_dataset("longer", keep_failed_rows_days=90)
    _end(bench, 31)
    kept = _end(bench, 31, "longer")

    assert delete_expired(bench.worker).failed_rows == ROWS
    assert _left(bench) == {kept.id}


@pytest.mark.parametrize("reason", ["replay", "draft"])
def test_they_stay_while_somebody_is_at_them(bench: Bench, reason: str) -> None:
    """A replay reads them; a draft is work of people."""
    bench.put_dataset(keep_failed_rows_days=90)
    job = _end(bench, 91)
    if reason == "replay":
        bench.make_job(trigger=Trigger.REPLAY, replay_of=job.id)
    else:
        with bench.owner.begin() as connection:
            connection.execute(text("UPDATE adsp.corrections SET corrected_at = now()"))

    assert delete_expired(bench.worker).failed_rows == 0
    assert _left(bench) == {job.id}


def test_rows_of_a_job_from_a_clock_that_is_years_ahead_have_a_place_too(bench: Bench) -> None:
    """Months are made ahead, not years."""
    bench.put_dataset()
    job, ahead = bench.make_job(), bench.make_job()
    with bench.owner.begin() as connection:
        ids = {"job": ahead.id, "new": earliest_uuid7(NOW + timedelta(days=3650))}
        connection.execute(text("UPDATE adsp.jobs SET id = :new WHERE id = :job"), ids)
    ahead.id = ids["new"]
    delete_expired(bench.worker)

    for each in (job, ahead):
        _add_rows(bench, each)

    with bench.owner.connect() as connection:
        places = [connection.scalar(text(PARTITION_OF), {"job": each.id}) for each in (job, ahead)]
    assert places[1] == "adsp.failed_rows_other"
    assert places[0] != places[1]
