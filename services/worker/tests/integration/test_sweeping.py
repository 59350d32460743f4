"""The sweep brings back jobs, chunks, finishes and events that got lost, and buries dead letters."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pika
import psycopg2
import pytest
from sqlalchemy import event, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from libs.common.enums import ChunkState, JobState, Trigger
from libs.common.ledger.advisory_locks import try_to_take
from libs.common.ledger.fences import fence_of
from libs.common.ledger.models import Chunk, ChunkLease, Job
from libs.common.messaging.names import DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE
from libs.common.messaging.queues import dead_letter_queue
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.waiting import wait_for
from services.worker import sweeping
from services.worker.cleanup import settle_failed_rows
from services.worker.dependencies import WorkerContext
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.sweeping import sweep
from services.worker.tests.conftest import Bench

PAST = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 30
TAKE_FENCE = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


def _change_job(bench: Bench, job: Job, **values: object) -> None:
    with bench.worker.sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job.id).values(values))


def _change_chunk(bench: Bench, job: Job, **values: object) -> None:
    with bench.worker.sessions.begin() as session:
        session.execute(update(Chunk).where(Chunk.job_id == job.id).values(values))


def _planned(bench: Bench) -> Job:
    bench.put_dataset()
    bench.write_rows(3)
    job = bench.make_job()
    plan(bench.worker, job.id)
    return job


def test_a_job_that_was_never_published_is_sent(bench: Bench) -> None:
    """The job's row is its outbox entry."""
    bench.put_dataset()
    job = bench.make_job()
    _change_job(bench, job, next_attempt_at=PAST)

    assert sweep(bench.worker).plans == 1
    assert sweep(bench.worker).plans == 0

    assert bench.job(job).published_at is not None


def test_a_job_that_waits_for_long_is_sent_again_ever_more_seldom(bench: Bench) -> None:
    """Else a backlog of an hour would be sent sixty times, and each time be longer."""
    bench.put_dataset()
    waits = {}
    for minutes in (0, 4, 600):
        job = bench.make_job()
        now = datetime.now(UTC)
        created = now - timedelta(minutes=minutes)
        _change_job(bench, job, created_at=created, next_attempt_at=PAST)
        assert sweep(bench.worker).plans == 1
        next_attempt_at = bench.job(job).next_attempt_at
        assert next_attempt_at is not None
        waits[minutes] = round((next_attempt_at - now).total_seconds() / 60)

    assert waits == {0: 1, 4: 4, 600: 15}


def test_a_plan_that_was_cut_off_is_begun_again(bench: Bench) -> None:
    """A job that runs without chunks lost its planner."""
    bench.put_dataset()
    bench.write_rows(3)
    job = bench.make_job()
    _change_job(bench, job, state=JobState.RUNNING, next_attempt_at=PAST, attempt=1)

    assert sweep(bench.worker).plans == 1
    assert plan(bench.worker, job.id) == "running"

    assert len(bench.chunks(job)) == 1


def test_a_chunk_that_is_overdue_is_sent_again(bench: Bench) -> None:
    """Its message may be lost with the queue."""
    job = _planned(bench)
    _change_chunk(bench, job, next_attempt_at=PAST)

    assert sweep(bench.worker).chunks == 1

    (chunk,) = bench.chunks(job)
    assert chunk.next_attempt_at is not None
    assert chunk.next_attempt_at > datetime.now(UTC)


def test_a_chunk_that_waits_long_for_a_loader_is_sent_ever_more_rarely(bench: Bench) -> None:
    """A busy queue must not be made longer by its own net."""
    job = _planned(bench)
    waited = timedelta(minutes=20)
    _change_job(bench, job, started_at=datetime.now(UTC) - waited)
    _change_chunk(bench, job, next_attempt_at=PAST)

    sweep(bench.worker)

    (chunk,) = bench.chunks(job)
    assert chunk.next_attempt_at is not None
    assert abs(chunk.next_attempt_at - datetime.now(UTC) - waited) < timedelta(minutes=1)


def _lease(bench: Bench, job: Job, connection: object, expires_at: datetime) -> None:
    with connection.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        )
        pid, start = cursor.fetchone()
    with bench.worker.sessions.begin() as session:
        session.add(
            ChunkLease(
                job_id=job.id,
                chunk_number=0,
                holder="gone",
                backend_pid=pid,
                backend_start=start,
                expires_at=expires_at,
            )
        )


def test_the_backend_of_an_expired_lease_is_ended_and_its_chunk_is_given_on(bench: Bench) -> None:
    """A loader that stalls in COPY holds its locks until somebody ends its backend."""
    job = _planned(bench)
    loader = psycopg2.connect(bench.loader_dsn)
    _change_chunk(bench, job, state=ChunkState.RUNNING, attempt=1, next_attempt_at=None)
    with loader.cursor() as cursor:
        cursor.execute(TAKE_FENCE, (fence_of(job.id, 0),))
    _lease(bench, job, loader, PAST)

    assert wait_for(lambda: sweep(bench.worker).expired, 30, "the lost chunk to be freed") == 1

    (chunk,) = bench.chunks(job)
    assert chunk.state is ChunkState.QUEUED
    assert chunk.published_at is not None
    assert loader_is_cut_off(loader)


def loader_is_cut_off(connection: object) -> bool:
    """Return whether the connection's backend is gone."""
    try:
        with connection.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute("SELECT 1")
    except psycopg2.OperationalError:
        return True
    finally:
        connection.close()  # type: ignore[attr-defined]
    return False


def test_a_lease_that_is_renewed_is_left_alone(bench: Bench) -> None:
    """A long load is not a lost one."""
    job = _planned(bench)
    loader = psycopg2.connect(bench.loader_dsn)
    _change_chunk(bench, job, state=ChunkState.RUNNING, attempt=1, next_attempt_at=None)
    _lease(bench, job, loader, datetime.now(UTC) + timedelta(minutes=1))

    assert sweep(bench.worker).expired == 0

    assert not loader_is_cut_off(loader)


def test_a_lease_that_is_renewed_while_the_sweep_is_busy_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that does not answer holds up the sweep; the next lease of its list may be fresh by then."""
    jobs = [_planned(bench), _other_planned(bench)]
    loaders = [psycopg2.connect(bench.loader_dsn) for _ in jobs]
    for job, loader in zip(jobs, loaders, strict=True):
        _change_chunk(bench, job, state=ChunkState.RUNNING, attempt=1, next_attempt_at=None)
        _lease(bench, job, loader, PAST)
    free = sweeping._free

    def free_and_renew(session: Session, worker: WorkerContext, job_id: UUID, *lease: Any) -> int:
        if job_id == jobs[0].id:
            renewed = datetime.now(UTC) + timedelta(minutes=1)
            with bench.worker.sessions.begin() as other:
                other.execute(
                    update(ChunkLease)
                    .where(ChunkLease.job_id == jobs[1].id)
                    .values(expires_at=renewed)
                )
        return free(session, worker, job_id, *lease)

    monkeypatch.setattr(sweeping, "_free", free_and_renew)

    assert sweep(bench.worker).expired == 1

    assert [loader_is_cut_off(loader) for loader in loaders] == [True, False]
    assert bench.chunks(jobs[1])[0].state is ChunkState.RUNNING


@pytest.fixture
def grace(bench: Bench) -> timedelta:
    """Let a lease last for almost as long as the server has been up, so that nothing waits for its restart."""

    def server_age() -> int:
        with bench.worker.engine.connect() as connection:
            age = connection.exec_driver_sql(
                "SELECT floor(extract(epoch FROM now() - pg_postmaster_start_time()))::int"
            ).scalar_one()
        return int(age) if age > 10 else 0

    seconds = wait_for(server_age, PATIENCE, "the server has been up for a while") - 2
    bench.set(lease_seconds=seconds)
    return timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("late", "by", "ended"),
    [
        pytest.param(1, 0, [True, False, False], id="one is late"),
        pytest.param(2, 0, [False] * 3, id="most are late"),
        pytest.param(3, 0, [False] * 3, id="all are late"),
        pytest.param(3, 1, [True] * 3, id="all are late by another lease"),
    ],
)
def test_nobody_is_ended_while_most_loaders_are_late(
    bench: Bench, grace: timedelta, late: int, by: int, ended: list[bool]
) -> None:
    """The database was away or paused, not they: their heartbeats have had no chance."""
    jobs = [_planned(bench), _other_planned(bench), _other_planned(bench, "third")]
    loaders = [psycopg2.connect(bench.loader_dsn) for _ in jobs]
    now = datetime.now(UTC)
    for number, (job, loader) in enumerate(zip(jobs, loaders, strict=True)):
        _change_chunk(bench, job, state=ChunkState.RUNNING, attempt=1, next_attempt_at=None)
        expired = now - by * grace - timedelta(seconds=0.1)
        _lease(bench, job, loader, expired if number < late else now + timedelta(minutes=1))

    swept = sweep(bench.worker)

    assert [loader_is_cut_off(loader) for loader in loaders] == ended
    assert swept.expired == sum(ended)


@pytest.mark.parametrize(("lease_seconds", "freed"), [(1, 1), (10**6, 0)])
def test_nothing_is_freed_when_the_database_came_back_less_than_a_lease_ago(
    bench: Bench, lease_seconds: int, freed: int
) -> None:
    """Loaders whose backends it has ended say themselves what became of their chunks, with their waits."""
    job = _planned(bench)
    _change_chunk(bench, job, state=ChunkState.RUNNING, attempt=1, next_attempt_at=None)
    with closing(psycopg2.connect(bench.loader_dsn)) as before:
        _lease(bench, job, before, PAST)
    bench.set(lease_seconds=lease_seconds)

    assert sweep(bench.worker).expired == freed


def test_one_sweep_goes_on_at_a_time(bench: Bench) -> None:
    """One that a slow backend or broker holds up is not joined by all that follow."""
    bench.put_dataset()
    job = bench.make_job()
    _change_job(bench, job, next_attempt_at=PAST)
    with bench.worker.sessions.begin() as other:
        assert try_to_take(other, "adsp.sweep")
        beside = sweep(bench.worker)

    assert not any(beside)
    assert sweep(bench.worker).plans == 1


def test_a_frozen_sweep_is_followed_by_others(bench: Bench) -> None:
    """Its process keeps the connection, so that only a limit of Postgres' can end it."""
    bench.set(sweep_lock_seconds=1)
    bench.put_dataset()
    job = bench.make_job()
    _change_job(bench, job, next_attempt_at=PAST)
    with Session(bench.worker.engine) as frozen:
        assert try_to_take(frozen, "adsp.sweep", bench.worker.settings.sweep_lock_seconds)
        assert not any(sweep(bench.worker))

        wait_for(lambda: sweep(bench.worker).plans == 1, 10, "another sweep has begun")
        frozen.invalidate()


def test_a_backend_is_not_ended_while_its_lease_is_being_renewed(bench: Bench) -> None:
    """The renewal is not visible before it is committed, but the lock on its row is."""
    job = _planned(bench)
    _change_chunk(bench, job, state=ChunkState.RUNNING, attempt=1, next_attempt_at=None)
    loader = psycopg2.connect(bench.loader_dsn)
    _lease(bench, job, loader, PAST)
    with closing(psycopg2.connect(bench.loader_dsn)) as heartbeat, heartbeat.cursor() as cursor:
        cursor.execute("UPDATE adsp.chunk_leases SET expires_at = now() + interval '1 minute'")
        expired = sweep(bench.worker).expired
        heartbeat.commit()

    assert expired == 0
    assert not loader_is_cut_off(loader)


def test_a_lease_that_somebody_has_locked_keeps_no_sweep_waiting(bench: Bench) -> None:
    """A loader that is frozen at its ledger would else hold up what all others need."""
    job = _planned(bench)
    _change_chunk(bench, job, state=ChunkState.RUNNING, attempt=1, next_attempt_at=None)
    with (
        closing(psycopg2.connect(bench.loader_dsn)) as gone,
        closing(psycopg2.connect(bench.loader_dsn)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        _lease(bench, job, gone, PAST)
        with other.cursor() as cursor:
            cursor.execute("SELECT FROM adsp.chunk_leases FOR UPDATE")
        swept = pool.submit(sweep, bench.worker)
        try:
            assert swept.result(PATIENCE).expired == 0
        finally:
            other.rollback()

    assert sweep(bench.worker).expired == 1


def test_a_chunk_that_a_transaction_still_copies_is_not_given_on(bench: Bench) -> None:
    """The lease names another backend, or none: whoever has the fence may still commit."""
    job = _planned(bench)
    _change_chunk(bench, job, state=ChunkState.RUNNING, attempt=1, next_attempt_at=None)
    with closing(psycopg2.connect(bench.loader_dsn)) as loader:
        with loader.cursor() as cursor:
            cursor.execute(TAKE_FENCE, (fence_of(job.id, 0),))
        copied = sweep(bench.worker).expired
        loader.rollback()

        assert copied == 0
        assert sweep(bench.worker).expired == 1


def test_a_chunk_whose_loaders_keep_dying_fails(bench: Bench) -> None:
    """Attempts are bounded, and the job says why it failed."""
    job = _planned(bench)
    _change_chunk(
        bench,
        job,
        state=ChunkState.RUNNING,
        attempt=bench.worker.settings.chunk_max_attempts,
        next_attempt_at=None,
    )

    swept = sweep(bench.worker)

    assert (swept.expired, swept.finishes) == (1, 1)
    (chunk,) = bench.chunks(job)
    assert (chunk.state, chunk.error_code) == (ChunkState.FAILED, "load-fault")


def test_attempts_that_ended_for_a_lock_are_not_held_against_a_chunk(bench: Bench) -> None:
    job = _planned(bench)
    most = bench.worker.settings.chunk_max_attempts
    _change_chunk(
        bench,
        job,
        state=ChunkState.RUNNING,
        attempt=most + 2,
        lock_waits=3,
        next_attempt_at=None,
    )

    assert sweep(bench.worker).expired == 1
    assert bench.chunks(job)[0].state is ChunkState.QUEUED


def test_a_finish_that_got_lost_is_sent(bench: Bench) -> None:
    """A loader that dies between its commit and its message leaves a job that is over but runs."""
    job = _planned(bench)
    _change_chunk(bench, job, state=ChunkState.DONE, next_attempt_at=None)

    assert sweep(bench.worker).finishes == 1


def _declare_dead_letters(bench: Bench) -> pika.BlockingConnection:
    with bench.worker.dispatcher._celery.connection_for_write() as connection:
        dead_letter_queue()(connection).declare()
    return pika.BlockingConnection(pika.URLParameters(bench.worker.settings.broker_url))


def test_dead_letters_fail_their_jobs_and_garbage_is_described(bench: Bench) -> None:
    """A message that nobody can handle ends what it was about, and nothing else."""
    bench.put_dataset()
    job, planned = bench.make_job(), _other_planned(bench)
    connection = _declare_dead_letters(bench)
    channel = connection.channel()
    channel.confirm_delivery()
    bodies = [
        b"\xff\x00garbage",
        b"[]",
        b'{"job_id": 5}',
        b"[" * 100_000,
        json.dumps([[], {"job_id": str(uuid4())}, {}]).encode(),
        json.dumps([[], {"job_id": str(job.id)}, {}]).encode(),
        json.dumps([[], {"job_id": str(planned.id), "number": 0}, {}]).encode(),
    ]
    for body in bodies:
        channel.basic_publish(DEAD_LETTER_EXCHANGE, routing_key="jobs", body=body)

    assert sweep(bench.worker).dead_letters == len(bodies)

    method, _properties, _body = channel.basic_get(DEAD_LETTER_QUEUE)
    connection.close()
    assert method is None
    for ended in (bench.job(job), bench.job(planned)):
        assert (ended.state, ended.error_code) == (JobState.FAILED, "dead-letter")


def test_ticks_that_came_too_late_are_dropped_quietly(bench: Bench) -> None:
    """They expire when no worker runs for a while; that is no error of any job."""
    bench.put_dataset()
    job = bench.make_job()
    connection = _declare_dead_letters(bench)
    channel = connection.channel()
    channel.confirm_delivery()
    late = pika.BasicProperties(headers={"x-first-death-reason": "expired"})
    body = json.dumps([[], {"job_id": str(job.id)}, {}]).encode()
    channel.basic_publish(DEAD_LETTER_EXCHANGE, routing_key="jobs", body=body, properties=late)
    connection.close()

    with capture_logs() as lines:
        assert sweep(bench.worker).dead_letters == 1

    assert bench.job(job).state is JobState.QUEUED
    assert "dead_letter" not in [line["event"] for line in lines]


def test_a_step_that_the_database_refuses_does_not_stop_the_others(
    bench: Bench, clean_database: ScratchDatabase
) -> None:
    """A role without the right to end backends still gets its jobs sent."""
    bench.put_dataset()
    job = bench.make_job()
    _change_job(bench, job, next_attempt_at=PAST)
    running = _other_planned(bench)
    _change_chunk(bench, running, state=ChunkState.RUNNING, attempt=1, next_attempt_at=None)
    with psycopg2.connect(clean_database.superuser_dsn) as superuser:
        _lease(bench, running, superuser, PAST)

        swept = sweep(bench.worker)
    superuser.close()

    assert (swept.expired, swept.plans) == (0, 1)


def _other_planned(bench: Bench, name: str = "other") -> Job:
    """Plan a job of another dataset, into a table of its own: at one table they would take turns."""
    with bench.owner.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS public.{name} (LIKE public.items INCLUDING ALL);"
            f" GRANT INSERT ON public.{name} TO adsp_loader"
        )
    bench.put_dataset(name, source=f"{name}.csv", table=f"public.{name}")
    bench.write_rows(3, f"{name}.csv")
    job = bench.make_job(name)
    plan(bench.worker, job.id)
    return job


def test_a_sweep_without_a_broker_ends_and_loses_nothing(bench: Bench) -> None:
    """Everything stays due."""
    bench.put_dataset()
    job = bench.make_job()
    _change_job(bench, job, next_attempt_at=PAST)
    bench.cut_broker()

    assert sweep(bench.worker).plans == 0

    due_at = bench.job(job).next_attempt_at
    assert due_at is not None
    assert due_at <= datetime.now(UTC)


def test_a_cancel_whose_message_was_lost_is_sent_again(bench: Bench) -> None:
    """Its chunks wait for loaders, so nobody else would look at the job."""
    job = _planned(bench)
    _change_job(bench, job, cancel_requested_at=datetime.now(UTC))

    assert sweep(bench.worker).finishes == 1
    assert finish(bench.worker, job.id) == "cancelled"


def test_failed_rows_that_no_replay_can_load_are_settled_and_others_are_not(bench: Bench) -> None:
    ended = _planned(bench)
    _change_chunk(
        bench,
        ended,
        state=ChunkState.DONE,
        rows_read=1,
        rows_rejected=1,
        finished_at=datetime.now(UTC),
        next_attempt_at=None,
    )
    finish(bench.worker, ended.id)
    before = settle_failed_rows(bench.worker)
    replay = bench.make_job(trigger=Trigger.REPLAY, replay_of=ended.id)
    _change_job(bench, replay, state=JobState.SUCCEEDED, finished_at=datetime.now(UTC))

    assert before == 0
    assert [settle_failed_rows(bench.worker) for _ in range(2)] == [1, 0]
    assert bench.job(ended).failed_rows_settled


ENDED = 20_000


def _add_ended_jobs(bench: Bench) -> None:
    """Copy a job and its chunk very often, as ended ones, and let Postgres know how many there are."""
    ended = """'finished_at', now(), 'created_at', now()"""
    with bench.owner.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO adsp.jobs SELECT copy.* FROM adsp.jobs AS j,"
            f" generate_series(1, {ENDED}) AS n, jsonb_populate_record(j, jsonb_build_object('id',"
            f" md5(n::text)::uuid, 'state', 'succeeded', 'fingerprint', NULL, {ended})) AS copy"
        )
        connection.exec_driver_sql(
            "INSERT INTO adsp.chunks SELECT copy.* FROM adsp.jobs AS j, adsp.chunks AS c,"
            " jsonb_populate_record(c, jsonb_build_object('job_id', j.id, 'state', 'done',"
            " 'finished_at', now())) AS copy WHERE j.finished_at IS NOT NULL"
        )
        connection.exec_driver_sql("ANALYZE adsp.jobs, adsp.chunks")


def test_a_sweep_reads_no_ended_job(bench: Bench) -> None:
    """Else each sweep would take longer for every job there ever was."""
    _planned(bench)
    _add_ended_jobs(bench)
    plans: dict[str, str] = {}

    def explain(
        connection: Any, cursor: Any, statement: str, parameters: Any, *_context: Any
    ) -> None:
        if statement.lstrip().startswith(("SELECT", "UPDATE", "--")) and "adsp." in statement:
            with connection.connection.cursor() as other:
                other.execute(f"EXPLAIN\n{statement}", parameters)
                plans[statement] = "\n".join(line for (line,) in other.fetchall())

    event.listen(bench.worker.engine, "before_cursor_execute", explain)
    sweep(bench.worker)

    assert any("expires_at" in statement for statement in plans)
    assert any("cancel_requested_at" in statement for statement in plans)
    slow = [plan for plan in plans.values() if re.search(r"Seq Scan on (jobs|chunks)", plan)]
    assert slow == []
