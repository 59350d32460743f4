"""Prometheus reads what the ledger says: no more, no less, with every series from the start."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from libs.common.enums import END_STATES, LIVE_STATES, ErrorCode, JobState, Trigger
from libs.common.sql_files import read_statement
from libs.devstack.testing.databases import ScratchDatabase
from services.worker.finishing import finish
from services.worker.ledger_metrics.collector import LedgerCollector
from services.worker.ledger_metrics.queries import READINGS, make_reader
from services.worker.planning.job_plan import plan
from services.worker.sweeping import sweep
from services.worker.tests.conftest import HEADER, Bench

AT = datetime(2026, 3, 1, tzinfo=UTC)

Execute = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def execute(clean_database: ScratchDatabase) -> Execute:
    """Give a function that runs SQL as the ledger's owner."""

    def run(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(clean_database.dsn_for("owner"))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    return run


class Scrape:
    """What one scrape of the ledger shows."""

    def __init__(self, bench: Bench, reader: Engine | None = None) -> None:
        registry = CollectorRegistry()
        made = make_reader(bench.worker.settings) if reader is None else reader
        registry.register(LedgerCollector(made, least_age=0))
        samples = [sample for family in registry.collect() for sample in family.samples]
        self.values = {
            (sample.name, frozenset(sample.labels.items())): sample.value for sample in samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Return a series' value; a series that is missing is an error."""
        return self.values[f"adsp_{name}", frozenset(labels.items())]

    def labels_of(self, name: str) -> list[dict[str, str]]:
        """Return the labels of all series of a metric."""
        return [dict(labels) for metric, labels in self.values if metric == f"adsp_{name}"]


def insert_job(execute: Execute, **columns: Any) -> None:
    """Write an ended job into the ledger, as if it had run."""
    values = {
        "id": str(uuid4()),
        "dataset": "items",
        "definition": json.dumps({"table": "public.items"}),
        "definition_version": 1,
        "data_date": AT.date(),
        "source": "items.csv",
        "trigger": "api",
        "state": "succeeded",
        "finished_at": AT,
    } | columns
    names = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    execute(f"INSERT INTO adsp.jobs ({names}) VALUES ({places})", values)


def test_every_series_of_a_dataset_exists_before_its_first_job(bench: Bench) -> None:
    bench.put_dataset("items")
    bench.put_dataset("other")

    scrape = Scrape(bench)

    combinations = {(x["trigger"], x["state"]) for x in scrape.labels_of("jobs_total")}
    assert combinations == {
        (t.value, s.value) for t in Trigger for s in END_STATES - {JobState.CHECKED}
    }
    assert len(scrape.labels_of("jobs_total")) == 2 * len(combinations)
    assert len(scrape.labels_of("failed_rows_total")) == 2 * len(ErrorCode)
    assert len(scrape.labels_of("records_total")) == 2 * 4
    assert len(scrape.labels_of("jobs_in_progress")) == 2 * len(LIVE_STATES)
    assert all(
        value == 0
        for (name, _), value in scrape.values.items()
        if name != "adsp_dataset_created_timestamp_seconds" and "duration" not in name
    )


def test_what_has_no_dataset_is_there_without_one(bench: Bench) -> None:
    scrape = Scrape(bench)

    assert scrape.value("outbox_pending", kind="job") == 0
    assert scrape.value("outbox_pending", kind="event") == 0
    assert scrape.value("chunks_in_progress", state="queued") == 0
    assert scrape.value("chunks_in_progress", state="running") == 0
    assert {scrape.value("state_collection_failures_total", reading=r) for r in READINGS} == {0}
    assert scrape.labels_of("jobs_total") == []


def test_counts_are_those_of_the_ledger(bench: Bench, execute: Execute) -> None:
    bench.put_dataset()
    insert_job(execute, rows_read=10, rows_loaded=10, bytes_total=1_000)
    insert_job(
        execute,
        state="completed_with_rejects",
        rows_read=10,
        rows_loaded=6,
        rows_rejected=3,
        rows_superseded=1,
        rejected_by_code=json.dumps({"check": 2, "unique": 1}),
        finished_at=AT + timedelta(days=1),
    )
    insert_job(
        execute,
        state="failed",
        trigger="upload",
        error_code="load-fault",
        error_message="gone",
        finished_at=AT + timedelta(days=2),
    )

    scrape = Scrape(bench)

    ended = {"dataset": "items", "trigger": "api"}
    assert scrape.value("jobs_total", **ended, state="succeeded") == 1
    assert scrape.value("jobs_total", **ended, state="completed_with_rejects") == 1
    assert scrape.value("jobs_total", **ended, state="failed") == 0
    assert scrape.value("jobs_total", dataset="items", trigger="upload", state="failed") == 1
    results = ("read", "loaded", "rejected", "superseded")
    assert [scrape.value("records_total", dataset="items", result=r) for r in results] == [
        20,
        16,
        3,
        1,
    ]
    assert scrape.value("failed_rows_total", dataset="items", error_code="check") == 2
    assert scrape.value("failed_rows_total", dataset="items", error_code="unique") == 1
    assert scrape.value("job_bytes_total", dataset="items") == 1_000
    assert scrape.value("dataset_unaccounted_records", dataset="items") == 0
    last = [scrape.value("dataset_last_job_records", dataset="items", result=r) for r in results]
    assert last == [10, 6, 3, 1]
    assert scrape.value("dataset_previous_job_records", dataset="items") == 10
    day = 86_400
    success = scrape.value("dataset_last_success_timestamp_seconds", dataset="items")
    completion = scrape.value("dataset_last_completion_timestamp_seconds", dataset="items")
    assert (success, completion) == (AT.timestamp() + day, AT.timestamp() + 2 * day)


def test_failed_rows_are_open_until_a_replay_has_loaded(bench: Bench, execute: Execute) -> None:
    bench.put_dataset()
    rejects = {"rows_read": 5, "rows_loaded": 3, "rows_rejected": 2}
    insert_job(execute, state="completed_with_rejects", **rejects)
    [[job_id]] = execute("SELECT id FROM adsp.jobs")
    before = Scrape(bench)

    insert_job(
        execute,
        trigger="replay",
        replay_of=job_id,
        rows_read=2,
        rows_loaded=2,
        finished_at=AT + timedelta(days=1),
    )

    after = Scrape(bench)
    assert before.value("open_failed_rows", dataset="items") == 2
    oldest = before.value("oldest_open_failed_row_timestamp_seconds", dataset="items")
    assert oldest == AT.timestamp()
    assert after.value("open_failed_rows", dataset="items") == 0
    assert after.value("oldest_open_failed_row_timestamp_seconds", dataset="items") == 0


def test_failed_rows_of_a_job_that_loaded_nothing_are_not_open(
    bench: Bench, execute: Execute
) -> None:
    """They cannot be replayed; the corrected source loads them, under other content."""
    bench.put_dataset()
    insert_job(
        execute,
        state="failed",
        error_code="too-many-rejects",
        error_message="20 of 100",
        rows_read=20,
        rows_rejected=20,
    )

    assert Scrape(bench).value("open_failed_rows", dataset="items") == 0


def test_failed_rows_of_a_snapshot_are_closed_by_the_next_one(
    bench: Bench, execute: Execute
) -> None:
    bench.put_dataset()
    snapshot = {"definition": json.dumps({"table": "public.items", "mode": "replace"})}
    rejects = {"rows_read": 5, "rows_loaded": 3, "rows_rejected": 2}
    insert_job(execute, state="completed_with_rejects", **rejects, **snapshot)
    before = Scrape(bench)
    insert_job(execute, finished_at=AT + timedelta(days=1), **snapshot)

    after = Scrape(bench)

    assert before.value("open_failed_rows", dataset="items") == 2
    assert after.value("open_failed_rows", dataset="items") == 0


@pytest.mark.parametrize(("days_later", "still_open"), [(0, 0), (1, 2)])
def test_failed_rows_of_a_slice_are_closed_by_the_next_of_its_day(
    bench: Bench, execute: Execute, days_later: int, still_open: int
) -> None:
    bench.put_dataset()
    definition = {"table": "public.items", "mode": "replace", "scope": {"day": "data_date"}}
    of_slice = {"definition": json.dumps(definition)}
    rejects = {"rows_read": 5, "rows_loaded": 3, "rows_rejected": 2}
    insert_job(execute, state="completed_with_rejects", **rejects, **of_slice)
    insert_job(
        execute,
        finished_at=AT + timedelta(days=1),
        data_date=AT.date() + timedelta(days=days_later),
        **of_slice,
    )

    before = Scrape(bench)
    sweep(bench.worker)

    assert before.value("open_failed_rows", dataset="items") == still_open
    assert Scrape(bench).value("open_failed_rows", dataset="items") == still_open


@pytest.mark.parametrize("is_made_first", [False, True])
def test_failed_rows_that_another_job_takes_over_are_open_once(
    bench: Bench, execute: Execute, *, is_made_first: bool
) -> None:
    bench.put_dataset(atomic=False)
    bench.set(chunk_bytes=50)
    bench.write_rows(20)
    made = [bench.make_job(), bench.make_job()]
    first, second = reversed(made) if is_made_first else made
    plan(bench.worker, first.id)
    execute(
        "UPDATE adsp.chunks SET state = 'done', finished_at = now(), rows_read = 4, rows_loaded = 1,"
        " rows_rejected = 3 WHERE number = 0"
    )
    execute(
        "UPDATE adsp.chunks SET state = 'failed', finished_at = now(), error_code = 'load-fault',"
        " error_message = 'disk full' WHERE number > 0"
    )
    finish(bench.worker, first.id)
    stopped = Scrape(bench)
    plan(bench.worker, second.id)
    execute(
        "UPDATE adsp.chunks SET state = 'done', finished_at = now() WHERE job_id = %s",
        [str(second.id)],
    )
    finish(bench.worker, second.id)

    assert stopped.value("open_failed_rows", dataset="items") == 3
    assert Scrape(bench).value("open_failed_rows", dataset="items") == 3


def test_a_replay_is_neither_the_last_job_nor_new_data(bench: Bench, execute: Execute) -> None:
    bench.put_dataset()
    insert_job(execute, rows_read=9, rows_loaded=9)
    later = AT + timedelta(days=1)
    insert_job(execute, trigger="replay", rows_read=1, rows_loaded=1, finished_at=later)

    scrape = Scrape(bench)

    assert scrape.value("dataset_last_job_records", dataset="items", result="loaded") == 9
    success = scrape.value("dataset_last_success_timestamp_seconds", dataset="items")
    assert success == AT.timestamp()


@pytest.mark.parametrize(
    ("mode", "days", "state", "is_success"),
    [
        ("append", 0, "duplicate", True),
        ("append", 1, "duplicate", False),
        ("replace", 1, "duplicate", True),
        ("upsert", 1, "duplicate", True),
        ("replace", 1, "outdated", False),
    ],
)
def test_a_job_that_loads_nothing_is_a_success_where_the_data_of_its_day_are_there(
    bench: Bench,
    execute: Execute,
    mode: str,
    days: int,
    state: str,
    is_success: bool,  # noqa: FBT001
) -> None:
    """Seen before: a sender that sends yesterday's file again kept LoadStale silent."""
    bench.put_dataset()
    first, later = str(uuid4()), AT + timedelta(days=1)
    insert_job(execute, id=first)
    insert_job(
        execute,
        state=state,
        definition=json.dumps({"table": "public.items", "mode": mode}),
        data_date=(AT + timedelta(days=days)).date(),
        finished_at=later,
        **{"duplicate_of" if state == "duplicate" else "outdated_by": first},
    )

    success = Scrape(bench).value("dataset_last_success_timestamp_seconds", dataset="items")

    assert success == (later if is_success else AT).timestamp()


def test_a_job_is_shown_on_its_way_from_the_outbox_to_its_end(bench: Bench) -> None:
    bench.put_dataset()
    bench.write_rows(5)
    job = bench.make_job()
    queued = Scrape(bench)

    plan(bench.worker, job.id)

    running = Scrape(bench)
    assert queued.value("jobs_in_progress", dataset="items", state="queued") == 1
    assert queued.value("outbox_pending", kind="job") == 1
    made_at = queued.value("outbox_oldest_timestamp_seconds", kind="job")
    assert made_at == pytest.approx(job.created_at.timestamp())
    assert queued.value("running_job_oldest_progress_timestamp_seconds", dataset="items") == 0
    assert running.value("jobs_in_progress", dataset="items", state="running") == 1
    assert running.value("jobs_in_progress", dataset="items", state="queued") == 0
    assert running.value("chunks_in_progress", state="queued") == 1
    sign = running.value("running_job_oldest_progress_timestamp_seconds", dataset="items")
    started_at = bench.job(job).started_at
    assert started_at is not None
    assert sign == pytest.approx(started_at.timestamp(), abs=5)


def test_a_job_that_waits_for_its_source_is_shown_with_the_time_since(bench: Bench) -> None:
    bench.put_dataset(arrival={"wait": "2h"})
    job = bench.make_job()
    before = Scrape(bench)

    plan(bench.worker, job.id)

    waiting, since = Scrape(bench), bench.job(job).waiting_since
    assert since is not None
    name = "waiting_job_oldest_start_timestamp_seconds"
    assert before.value(name, dataset="items") == 0
    assert waiting.value(name, dataset="items") == pytest.approx(since.timestamp())
    assert waiting.value("jobs_in_progress", dataset="items", state="waiting") == 1
    assert waiting.value("jobs_in_progress", dataset="items", state="queued") == 0


def test_a_load_that_gets_on_is_a_sign_and_a_lease_that_is_renewed_is_none(
    bench: Bench, execute: Execute
) -> None:
    """A load that waits for a lock renews its lease for as long as it waits."""
    bench.put_dataset()
    bench.write_rows(5)
    job = bench.make_job()
    plan(bench.worker, job.id)
    execute("UPDATE adsp.jobs SET created_at = %s, started_at = %s", [AT, AT])
    quiet = Scrape(bench)

    execute(
        "INSERT INTO adsp.chunk_leases"
        " (job_id, chunk_number, holder, backend_pid, backend_start, expires_at, progressed_at)"
        " VALUES (%s, 0, 'somebody', 1, now(), now() + interval '1 minute', %s)",
        [str(job.id), AT],
    )
    waiting = Scrape(bench)
    execute("UPDATE adsp.chunk_leases SET progressed_at = now()")

    name = "running_job_oldest_progress_timestamp_seconds"
    assert quiet.value(name, dataset="items") == AT.timestamp()
    assert waiting.value(name, dataset="items") == AT.timestamp()
    assert Scrape(bench).value(name, dataset="items") == pytest.approx(
        datetime.now(UTC).timestamp(), abs=5
    )


def test_the_end_of_a_job_counts_its_failed_rows_by_code(bench: Bench, execute: Execute) -> None:
    bench.put_dataset()
    bench.write(HEADER)
    job = bench.make_job()
    plan(bench.worker, job.id)
    for offset, code in enumerate(["check", "check", "type-error"]):
        execute(
            "INSERT INTO adsp.failed_rows"
            " (job_id, chunk_number, line_number, byte_offset, raw, stage, error_code, message)"
            " VALUES (%s, 0, 1, %s, '', 'constraint', %s, 'no')",
            [str(job.id), offset, code],
        )
    execute(
        "UPDATE adsp.chunks SET state = 'done', finished_at = now(), rows_read = 3, rows_rejected = 3"
    )

    finish(bench.worker, job.id)

    assert bench.job(job).rejected_by_code == {"check": 2, "type-error": 1}
    scrape = Scrape(bench)
    assert scrape.value("failed_rows_total", dataset="items", error_code="check") == 2
    assert scrape.value("open_failed_rows", dataset="items") == 3


def test_the_expected_interval_is_the_longest_pause_of_the_schedule(bench: Bench) -> None:
    bench.put_dataset("workdays", AT, schedule={"cron": "30 2 * * 1-5"})
    bench.put_dataset("manual")

    scrape = Scrape(bench)

    hours = scrape.value("dataset_expected_interval_seconds", dataset="workdays") / 3600
    assert hours == 72
    assert scrape.value("dataset_expected_interval_seconds", dataset="manual") == 0
    assert scrape.value("dataset_created_timestamp_seconds", dataset="manual") > AT.timestamp()


def test_a_paused_dataset_is_expected_at_no_time(bench: Bench, execute: Execute) -> None:
    """Whoever paused it knows that it is not loaded; since when says a metric of its own."""
    bench.put_dataset("workdays", AT, schedule={"cron": "30 2 * * 1-5"})
    before = Scrape(bench)
    execute("UPDATE adsp.datasets SET paused_at = %s", (AT,))

    scrape = Scrape(bench)

    assert before.value("dataset_paused_timestamp_seconds", dataset="workdays") == 0
    assert scrape.value("dataset_paused_timestamp_seconds", dataset="workdays") == AT.timestamp()
    assert scrape.value("dataset_expected_interval_seconds", dataset="workdays") == 0


def test_the_metrics_of_a_deleted_dataset_go_away(bench: Bench, execute: Execute) -> None:
    """They would keep its alerts up for ever."""
    for name in ("items", "gone"):
        bench.put_dataset(name, AT, schedule={"cron": "30 2 * * *"})
        insert_job(execute, dataset=name)
    execute("UPDATE adsp.datasets SET deleted_at = now() WHERE name = 'gone'")

    scrape = Scrape(bench)

    named = {dict(labels).get("dataset") for _, labels in scrape.values}
    assert named == {"items", None}


def test_a_schedule_that_is_refused_today_takes_no_metric_away(
    bench: Bench, execute: Execute
) -> None:
    """Its dataset is older than the rule."""
    bench.put_dataset("workdays", AT, schedule={"cron": "30 2 * * 1-5"})
    bench.put_dataset("seconds", AT, schedule={"cron": "30 2 * * *"})
    execute(
        "UPDATE adsp.datasets SET definition ="
        """ jsonb_set(definition, '{schedule,cron}', '"*/10 * * * * *"') WHERE name = 'seconds'"""
    )

    scrape = Scrape(bench)

    assert scrape.value("dataset_expected_interval_seconds", dataset="workdays") > 0
    assert scrape.value("dataset_expected_interval_seconds", dataset="seconds") == 0


def test_a_ledger_that_is_away_is_reported_and_harms_nothing(bench: Bench) -> None:
    bench.put_dataset()
    nowhere = bench.worker.settings.model_copy(
        update={"database_url": "postgresql+psycopg2://x:y@127.0.0.1:1/z"}
    )

    scrape = Scrape(bench, make_reader(nowhere))

    assert {scrape.value("state_collection_failures_total", reading=r) for r in READINGS} == {1}
    assert scrape.labels_of("jobs_total") == []


@pytest.mark.parametrize(
    ("table", "blind"),
    [
        ("job_counters", {"totals"}),
        ("failed_row_counters", {"failed_rows"}),
        ("events", {"outbox"}),
        ("chunks", {"jobs_in_progress", "chunks_in_progress"}),
        ("chunk_leases", {"jobs_in_progress"}),
    ],
)
def test_a_reading_that_is_held_up_leaves_out_its_own_numbers_only(
    bench: Bench, clean_database: ScratchDatabase, execute: Execute, table: str, blind: set[str]
) -> None:
    """All were read in one go: whatever was slow, nobody got anything."""
    bench.put_dataset()
    insert_job(execute)
    shown = {
        "totals": "jobs_total",
        "failed_rows": "failed_rows_total",
        "open_failed_rows": "open_failed_rows",
        "jobs_in_progress": "jobs_in_progress",
        "chunks_in_progress": "chunks_in_progress",
        "datasets": "dataset_created_timestamp_seconds",
        "outbox": "outbox_pending",
    }
    with closing(psycopg2.connect(clean_database.superuser_dsn)) as other:
        with other.cursor() as cursor:
            cursor.execute(f"LOCK TABLE adsp.{table}")
        scrape = Scrape(bench)
        other.rollback()

    failed = {r for r in READINGS if scrape.value("state_collection_failures_total", reading=r)}
    assert failed - {"open_failed_rows"} == blind
    assert {r for r, name in shown.items() if not scrape.labels_of(name)} == failed


def test_a_scrape_reads_no_ended_job(bench: Bench, execute: Execute) -> None:
    """Else it would take longer for every job there ever was, until it fails."""
    bench.put_dataset()
    insert_job(
        execute,
        state="completed_with_rejects",
        rows_read=2,
        rows_loaded=1,
        rows_rejected=1,
        failed_rows_settled=True,
    )
    execute(
        "INSERT INTO adsp.jobs SELECT copy.* FROM adsp.jobs AS j, generate_series(1, 20000) AS n,"
        " jsonb_populate_record(j, jsonb_build_object('id', md5(n::text)::uuid)) AS copy"
    )
    execute(
        "INSERT INTO adsp.chunks (job_id, number, byte_start, first_line, state, finished_at)"
        " SELECT id, 0, 0, 1, 'done', now() FROM adsp.jobs"
    )
    execute("ANALYZE adsp.jobs, adsp.chunks")

    plans = {
        name: "\n".join(
            line
            for (line,) in execute(
                f"EXPLAIN {read_statement('services.worker.ledger_metrics', name)}"
            )
        )
        for name in READINGS
    }

    assert [name for name, plan in plans.items() if "Seq Scan on jobs" in plan] == []
    assert [name for name, plan in plans.items() if "Seq Scan on chunks" in plan] == []
    ended = {"dataset": "items", "trigger": "api", "state": "completed_with_rejects"}
    assert Scrape(bench).value("jobs_total", **ended) == 20_001


def test_a_storm_of_scrapes_reads_the_ledger_once(bench: Bench, execute: Execute) -> None:
    bench.put_dataset()
    collector = LedgerCollector(make_reader(bench.worker.settings), least_age=3600)
    list(collector.collect())
    insert_job(execute)

    with ThreadPoolExecutor(8) as pool:
        scrapes = list(pool.map(lambda _: list(collector.collect()), range(50)))

    assert all(before == after for before, after in pairwise(scrapes))
    jobs = [sample.value for sample in scrapes[0][0].samples]
    assert sum(jobs) == 0


def test_metrics_are_the_same_from_another_process_as_if_restarted(
    bench: Bench, execute: Execute
) -> None:
    """Nothing is counted in memory: two collectors that share nothing agree."""
    bench.put_dataset()
    insert_job(execute, rows_read=4, rows_loaded=4)
    first, second = Scrape(bench), Scrape(bench)

    changing = {"adsp_state_collection_duration_seconds"}
    same = {key: value for key, value in first.values.items() if key[0] not in changing}
    assert same == {key: value for key, value in second.values.items() if key[0] not in changing}
    assert (
        same[
            "adsp_jobs_total",
            frozenset(
                {"dataset": "items", "trigger": "api", "state": JobState.SUCCEEDED.value}.items()
            ),
        ]
        == 1
    )
