"""A job ends as its chunks say, once, with its event in the same transaction."""

import json
from datetime import UTC, datetime

import pika
import pytest
from sqlalchemy import select, update

from libs.common.datasets.job_warnings import JobWarning
from libs.common.enums import ChunkState, ErrorCode, JobState, Stage, WarningCode
from libs.common.ledger.job_end import record_end
from libs.common.ledger.models import Chunk, Event, FailedRow, Job
from libs.common.messaging.events import publish_pending
from services.worker.finishing import WITHDRAWN, finish
from services.worker.planning.job_plan import plan
from services.worker.tests.conftest import Bench


def _planned(bench: Bench, rows: int = 20, **definition: object) -> Job:
    bench.put_dataset(**definition)  # type: ignore[arg-type]
    bench.set(chunk_bytes=50)
    bench.write_rows(rows)
    job = bench.make_job()
    plan(bench.worker, job.id)
    return job


def _set_chunks(bench: Bench, job: Job, *conditions: object, **values: object) -> None:
    with bench.worker.sessions.begin() as session:
        session.execute(update(Chunk).where(Chunk.job_id == job.id, *conditions).values(values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rejected", "state"),
    [(0, JobState.SUCCEEDED), (2, JobState.COMPLETED_WITH_REJECTS)],
)
def test_a_job_ends_with_the_sum_of_its_chunks(
    bench: Bench, rejected: int, state: JobState
) -> None:
    """The counts of a finished job add up to what was read."""
    job = _planned(bench)
    _set_chunks(
        bench,
        job,
        state=ChunkState.DONE,
        rows_read=20,
        rows_loaded=20 - rejected,
        rows_rejected=rejected,
    )

    assert finish(bench.worker, job.id) == state

    ended = bench.job(job)
    assert (ended.rows_read, ended.rows_loaded, ended.rows_rejected) == (
        20,
        20 - rejected,
        rejected,
    )
    assert ended.finished_at is not None


@pytest.mark.parametrize(
    ("second", "expected"),
    [({"check": 1, "unique": 3}, {"check": 3, "unique": 3}), (None, {"type-error": 6})],
)
def test_failed_rows_are_gone_through_only_where_chunks_have_not_counted_them(
    bench: Bench, second: dict[str, int] | None, expected: dict[str, int]
) -> None:
    """What stands in failed_rows differs here from the counts, so that one sees which were taken."""
    job = _planned(bench, atomic=False)
    known: dict[int, tuple[int, dict[str, int] | None]] = {0: (2, {"check": 2}), 1: (4, second)}
    _set_chunks(bench, job, state=ChunkState.DONE, rejected_by_code={})
    for number, (count, codes) in known.items():
        _set_chunks(
            bench,
            job,
            Chunk.number == number,
            rows_read=count,
            rows_rejected=count,
            rejected_by_code=codes,
        )
    with bench.worker.sessions.begin() as session:
        for offset in range(6):
            session.add(
                FailedRow(
                    job_id=job.id,
                    chunk_number=0,
                    line_number=1,
                    byte_offset=offset,
                    raw=b"x",
                    stage=Stage.CONVERT,
                    error_code=ErrorCode.TYPE_ERROR,
                    message="no",
                )
            )

    finish(bench.worker, job.id)

    assert bench.job(job).rejected_by_code == expected


@pytest.mark.parametrize(
    ("deleted", "expected"), [((3, 4), 7), ((3, None), None), ((None, None), None)]
)
def test_what_changed_in_the_table_is_reported_where_all_of_it_was_counted(
    bench: Bench, deleted: tuple[int | None, int | None], expected: int | None
) -> None:
    job = _planned(bench, atomic=False)
    numbers = [chunk.number for chunk in bench.chunks(job)]
    _set_chunks(bench, job, state=ChunkState.DONE, rows_deleted=0)
    for number, count in zip(numbers, deleted, strict=False):
        _set_chunks(bench, job, Chunk.number == number, rows_deleted=count)

    finish(bench.worker, job.id)

    with bench.worker.sessions() as session:
        payload = session.scalar(select(Event.payload).where(Event.job_id == job.id))
    assert bench.job(job).rows_deleted == expected
    assert payload is not None
    assert (payload["rows_deleted"], payload["rows_inserted"]) == (expected, None)


def _sent(bench: Bench, job: Job) -> list[int]:
    return [chunk.number for chunk in bench.chunks(job) if chunk.published_at]


def test_of_chunks_in_order_one_is_under_way(bench: Bench) -> None:
    """Finish sends the next one when it is done."""
    job = _planned(bench, atomic=False)
    assert _sent(bench, job) == [0]
    _set_chunks(bench, job, Chunk.number == 0, state=ChunkState.RUNNING, attempt=1)
    assert finish(bench.worker, job.id) == "running"
    assert _sent(bench, job) == [0]
    _set_chunks(bench, job, Chunk.number == 0, state=ChunkState.DONE)

    assert finish(bench.worker, job.id) == "running"
    assert finish(bench.worker, job.id) == "running"

    assert _sent(bench, job) == [0, 1]


def test_a_chunk_that_was_given_back_is_sent_again_before_the_next(bench: Bench) -> None:
    job = _planned(bench, atomic=False)
    given_back = {"attempt": 1, "next_attempt_at": None, "published_at": None}
    _set_chunks(bench, job, Chunk.number == 0, **given_back)

    assert finish(bench.worker, job.id) == "running"

    assert _sent(bench, job) == [0]


def test_a_failed_chunk_ends_the_job_and_withdraws_the_rest(bench: Bench) -> None:
    """No loader can begin a chunk of a job that has ended."""
    job = _planned(bench, atomic=False)
    _set_chunks(bench, job, Chunk.number == 0, state=ChunkState.DONE, rows_read=4, rows_loaded=4)
    _set_chunks(
        bench,
        job,
        Chunk.number == 1,
        state=ChunkState.FAILED,
        error_code="load-fault",
        error_message="disk full",
    )

    assert finish(bench.worker, job.id) == "failed"

    ended = bench.job(job)
    assert (ended.error_code, ended.error_message) == ("load-fault", "disk full")
    assert (ended.rows_read, ended.rows_loaded) == (4, 4)
    assert {chunk.error_code for chunk in bench.chunks(job)[2:]} == {WITHDRAWN}


def test_a_job_waits_for_the_chunks_under_way_before_it_fails(bench: Bench) -> None:
    """Rows that may still be committed must be counted."""
    job = _planned(bench, atomic=False)
    failed = {"state": ChunkState.FAILED, "error_code": "load-fault", "error_message": "disk full"}
    _set_chunks(bench, job, Chunk.number == 0, state=ChunkState.RUNNING)
    _set_chunks(bench, job, Chunk.number == 1, **failed)

    assert finish(bench.worker, job.id) == "running"
    _set_chunks(bench, job, Chunk.number == 0, state=ChunkState.DONE, rows_read=4, rows_loaded=4)
    assert finish(bench.worker, job.id) == "failed"

    assert bench.job(job).rows_loaded == 4


def test_too_many_rejects_fail_a_job_that_is_not_atomic(bench: Bench) -> None:
    """The threshold is over all chunks; what was loaded stays and is counted."""
    job = _planned(bench, atomic=False, max_rejected_ratio=0.1)
    _set_chunks(bench, job, state=ChunkState.DONE, rows_read=10, rows_loaded=8, rows_rejected=2)

    assert finish(bench.worker, job.id) == "failed"

    ended = bench.job(job)
    assert ended.error_code == "too-many-rejects"
    assert "max_rejected_ratio" in (ended.error_message or "")
    assert ended.rows_loaded > 0


def test_the_end_is_published_to_those_who_listen(bench: Bench) -> None:
    """A queue bound to adsp.events gets one message with the job's end; the outbox notes it."""
    job = _planned(bench)
    connection = pika.BlockingConnection(pika.URLParameters(bench.worker.settings.broker_url))
    channel = connection.channel()
    channel.exchange_declare("adsp.events", exchange_type="topic", durable=True)
    channel.queue_declare("listener", exclusive=True)
    channel.queue_bind("listener", "adsp.events", routing_key="job.#")
    _set_chunks(bench, job, state=ChunkState.DONE, rows_read=20, rows_loaded=20)

    finish(bench.worker, job.id)

    method, properties, body = channel.basic_get("listener", auto_ack=True)
    connection.close()
    assert method is not None
    assert properties is not None
    assert body is not None
    assert method.routing_key == "job.succeeded"
    assert json.loads(body)["job_id"] == str(job.id)
    with bench.worker.sessions() as session:
        event = session.scalars(select(Event).where(Event.job_id == job.id)).one()
    assert event.published_at is not None
    assert properties.message_id == str(event.id)


def test_an_event_waits_when_the_broker_is_away(bench: Bench) -> None:
    """Its turn comes again later; the job's end does not depend on it."""
    job = _planned(bench)
    bench.cut_broker()
    _set_chunks(bench, job, state=ChunkState.DONE, rows_read=20, rows_loaded=20)

    assert finish(bench.worker, job.id) == "succeeded"

    with bench.worker.sessions() as session:
        event = session.scalars(select(Event).where(Event.job_id == job.id)).one()
    assert (event.published_at, event.attempt) == (None, 1)
    assert publish_pending(bench.worker.sessions, bench.worker.dispatcher, 10) == 0


def test_a_cancelled_job_keeps_what_is_done_and_withdraws_the_rest(bench: Bench) -> None:
    """Chunks that are done stay and count; the others are never begun."""
    job = _planned(bench, atomic=False)
    _set_chunks(bench, job, Chunk.number == 0, state=ChunkState.DONE, rows_read=4, rows_loaded=4)
    _request_cancel(bench, job)

    assert finish(bench.worker, job.id) == "cancelled"

    ended = bench.job(job)
    assert (ended.rows_read, ended.rows_loaded, ended.rows_rejected) == (4, 4, 0)
    rest = bench.chunks(job)[1:]
    assert rest
    assert {chunk.error_code for chunk in rest} == {WITHDRAWN}


def test_a_cancelled_job_waits_for_the_chunk_that_a_loader_is_at(bench: Bench) -> None:
    """Its rows may be committed yet: the counts would be wrong."""
    job = _planned(bench)
    _set_chunks(bench, job, state=ChunkState.RUNNING, next_attempt_at=None)
    _request_cancel(bench, job)

    assert finish(bench.worker, job.id) == "running"

    _set_chunks(bench, job, state=ChunkState.QUEUED)
    assert finish(bench.worker, job.id) == "cancelled"


def test_a_cancel_that_comes_after_the_last_commit_leaves_the_end_as_it_is(bench: Bench) -> None:
    """The rows are in the table: `cancelled` would say that they are not."""
    job = _planned(bench)
    _set_chunks(bench, job, state=ChunkState.DONE, rows_read=20, rows_loaded=20)
    _request_cancel(bench, job)

    assert finish(bench.worker, job.id) == "succeeded"
    assert bench.job(job).rows_loaded == 20


def test_the_end_of_a_job_that_the_api_has_cancelled_is_published(bench: Bench) -> None:
    bench.put_dataset()
    job = bench.make_job()
    with bench.worker.sessions.begin() as session:
        record_end(session, session.get_one(Job, job.id), JobState.CANCELLED)

    assert finish(bench.worker, job.id) == "cancelled"

    with bench.worker.sessions() as session:
        assert session.scalars(select(Event.published_at)).one() is not None


def _request_cancel(bench: Bench, job: Job) -> None:
    with bench.worker.sessions.begin() as session:
        session.get_one(Job, job.id).cancel_requested_at = datetime.now(UTC)


def test_a_job_ends_with_the_warnings_of_its_plan_and_of_its_done_chunks(bench: Bench) -> None:
    job = _planned(bench, atomic=False)
    odd = JobWarning(WarningCode.SHRUNK, "fewer rows", {"rows_loaded": 1}).as_document()
    renamed = JobWarning(WarningCode.HEADER_CHANGED, "a column less").as_document()
    _set_chunks(bench, job, state=ChunkState.DONE, warnings=[odd])
    count = len(bench.chunks(job))
    with bench.worker.sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job.id).values(warnings=[renamed]))

    finish(bench.worker, job.id)

    assert count > 1
    assert bench.job(job).warnings == [renamed, {**odd, "counts": {"rows_loaded": count}}]
    with bench.worker.sessions() as session:
        event = session.scalars(select(Event).where(Event.job_id == job.id)).one()
    assert event.payload["warnings"] == ["header-changed", "shrunk"]
