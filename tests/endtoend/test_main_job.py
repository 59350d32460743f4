"""The main job from the trigger to the rows, through every service."""

import csv
import gzip
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from libs.client.models import Job
from libs.devstack.testing.waiting import wait_for
from tests.endtoend.system import System
from tools.client.sample_items import write_items

BAD_LINES = {
    3: "SKU-A,lamp,tools,-1.00,3,2026-01-01 00:00:00+00",
    5: "SKU-B,lamp,tools,9.99,many,2026-01-01 00:00:00+00",
    7: "SKU-C,lamp",
}


def _write_daily_file(path: Path) -> None:
    """Write ten records of which three are bad."""
    lines = ["sku,name,category,price,quantity,updated_at"]
    for line_number in range(2, 12):
        good = f"SKU-{line_number},lamp,tools,9.99,3,2026-01-01 00:00:00+00"
        lines.append(BAD_LINES.get(line_number, good))
    path.write_text("\n".join(lines) + "\n")


def test_the_daily_job_is_triggered_without_a_body_and_accounts_for_every_record(
    system: System,
) -> None:
    _write_daily_file(system.incoming / f"items-{datetime.now(UTC):%Y-%m-%d}.csv")
    with system.client as client:
        client.put_dataset("items", {"table": "public.items", "source": "items-{data_date}.csv"})

        job = system.wait_over(client.trigger())

        failed = {row.line_number: row for row in client.failed_rows(job.id)}
    assert job.state == "completed_with_rejects"
    assert (job.rows_read, job.rows_loaded, job.rows_rejected) == (10, 7, 3)
    assert {line: row.raw for line, row in failed.items()} == BAD_LINES
    assert [failed[line].error_code for line in BAD_LINES] == [
        "check",
        "type-error",
        "missing-cell",
    ]
    assert [failed[line].sqlstate for line in BAD_LINES] == ["23514", "22P02", None]
    assert system.count("public.items") == 7


def test_a_few_compressed_bytes_do_not_become_many_failed_rows(system: System) -> None:
    """Seen before: 823 bytes became 400,000 failed rows, and 65 kB would have become 32 million."""
    table = system.make_table("bomb")
    bomb = gzip.compress(b"sku,name,category,price,quantity,updated_at\n" + b"x\n" * 400_000)
    (system.incoming / "bomb.csv.gz").write_bytes(bomb)
    with system.client as client:
        client.put_dataset("bomb", {"table": table, "source": "bomb.csv.gz"})
        job = system.wait_over(client.submit(dataset="bomb"))

    assert len(bomb) < 1_000
    assert (job.state, job.error_code) == ("failed", "too-many-rejects")
    assert "max_rejected_rows=100" in job.error_message
    assert job.rows_rejected < 200_000


def test_failed_rows_are_exported_with_their_own_columns_and_the_reason(system: System) -> None:
    table = system.make_table("exported")
    _write_daily_file(system.incoming / "exported.csv")
    with system.client as client:
        client.put_dataset("exported", {"table": table, "source": "exported.csv"})
        job = system.wait_over(client.submit(dataset="exported"))

        answer = client.get(f"/v1/jobs/{job.id}/failed-rows", format="csv")

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["sku"] for row in rows] == ["SKU-A", "SKU-B", "SKU-C"]
    assert [row["adsp_line_number"] for row in rows] == ["3", "5", "7"]


def test_twenty_triggers_at_once_make_one_load(system: System) -> None:
    """Promise 2: one job loads, the others find its content loaded."""
    table = system.make_table("twenty")
    write_items(system.incoming / "twenty.csv", 2_000)
    with system.client as client:
        client.put_dataset("twenty", {"table": table, "source": "twenty.csv"})

        with ThreadPoolExecutor(20) as pool:
            jobs = list(pool.map(lambda _: client.submit(dataset="twenty"), range(20)))

        ended = [system.wait_over(job) for job in jobs]
    states = sorted(job.state for job in ended)
    assert states == ["duplicate"] * 19 + ["succeeded"]
    assert system.count(table) == 2_000


def test_the_same_trigger_with_one_idempotency_key_is_one_job(system: System) -> None:
    table = system.make_table("same_key")
    write_items(system.incoming / "same_key.csv", 100)
    with system.client as client:
        client.put_dataset("same_key", {"table": table, "source": "same_key.csv"})

        with ThreadPoolExecutor(20) as pool:
            jobs = list(
                pool.map(
                    lambda _: client.submit(dataset="same_key", idempotency_key="k-1"), range(20)
                )
            )

    assert len({job.id for job in jobs}) == 1
    assert system.wait_over(jobs[0]).state == "succeeded"


def test_the_same_file_under_another_name_is_a_duplicate_unless_forced(system: System) -> None:
    table = system.make_table("renamed")
    write_items(system.incoming / "renamed-1.csv", 100)
    write_items(system.incoming / "renamed-2.csv", 100)
    with system.client as client:
        client.put_dataset("renamed", {"table": table, "mode": "upsert", "key": ["sku"]})
        first = system.wait_over(client.submit(dataset="renamed", source="renamed-1.csv"))
        second = system.wait_over(client.submit(dataset="renamed", source="renamed-2.csv"))
        forced = system.wait_over(
            client.submit(dataset="renamed", source="renamed-2.csv", force=True)
        )

    assert first.state == "succeeded"
    assert (second.state, second.duplicate_of) == ("duplicate", first.id)
    assert (forced.state, forced.rows_loaded) == ("succeeded", 100)
    assert system.count(table) == 100


def test_progress_moves_while_a_big_file_loads(system: System) -> None:
    table = system.make_table("big")
    write_items(system.incoming / "big.csv", 900_000, bad_ratio=0.001, seed=7)
    seen: list[int] = []
    with system.client as client:
        client.put_dataset("big", {"table": table, "source": "big.csv"})
        job = client.submit(dataset="big")

        def over() -> bool:
            now = client.job(job.id)
            seen.append(now.rows_read)
            return now.is_over

        wait_for(over, 120, "the big job is over")
        ended = client.job(job.id)

    assert ended.rows_read == 900_000
    assert ended.rows_loaded == system.count(table)
    assert ended.bytes_done == ended.bytes_total
    assert len({rows for rows in seen if 0 < rows < 900_000}) >= 2
    assert seen == sorted(seen)


def test_a_compressed_upload_is_loaded(system: System) -> None:
    table = system.make_table("uploaded")
    write_items(system.incoming / "plain.csv", 500, seed=3)
    archive = system.folder / "plain.csv.gz"
    archive.write_bytes(gzip.compress((system.incoming / "plain.csv").read_bytes()))
    with system.client as client:
        client.put_dataset("uploaded", {"table": table})

        job = system.wait_over(client.load("uploaded", archive))

    assert (job.state, job.trigger, job.rows_loaded) == ("succeeded", "upload", 500)
    assert system.count(table) == 500


def test_a_dataset_that_is_not_atomic_is_loaded_chunk_by_chunk(system: System) -> None:
    """Keys are unique over all chunks, and the first record of a key wins."""
    table = system.make_table("chunked")
    source = system.incoming / "chunked.csv"
    write_items(source, 3_000)
    lines = source.read_text().splitlines(keepends=True)
    source.write_text("".join([*lines, *lines[1:101]]))
    with system.client as client:
        client.put_dataset("chunked", {"table": table, "source": "chunked.csv", "atomic": False})

        job = system.wait_over(client.submit(dataset="chunked"))

        failed = list(client.failed_rows(job.id))
    assert (job.rows_loaded, job.rows_rejected) == (3_000, 100)
    assert {row.error_code for row in failed} == {"unique"}
    assert [row.line_number for row in failed] == list(range(3_002, 3_102))


def test_too_many_rejects_publish_nothing_and_keep_the_failed_rows(system: System) -> None:
    table = system.make_table("strict")
    _write_daily_file(system.incoming / "strict.csv")
    with system.client as client:
        client.put_dataset(
            "strict", {"table": table, "source": "strict.csv", "max_rejected_ratio": 0.2}
        )

        job = system.wait_over(client.submit(dataset="strict"))

        failed = list(client.failed_rows(job.id))
    assert (job.state, job.error_code) == ("failed", "too-many-rejects")
    assert (job.rows_read, job.rows_loaded, job.rows_rejected) == (3, 0, 3)
    assert [row.line_number for row in failed] == [3, 5, 7]
    assert system.count(table) == 0


def test_a_due_time_makes_a_job(system: System) -> None:
    """The scheduler ticks, the database decides."""
    table = system.make_table("scheduled")
    write_items(system.incoming / "scheduled.csv", 50)
    with system.client as client:
        client.put_dataset(
            "scheduled",
            {"table": table, "source": "scheduled.csv", "schedule": {"cron": "0 2 * * *"}},
        )
        system.execute(
            "UPDATE adsp.datasets SET last_due_at = now() - interval '2 days'"
            " WHERE name = 'scheduled'"
        )

        def jobs() -> list[Job]:
            return list(client.jobs(dataset="scheduled"))

        (job,) = wait_for(jobs, 30, "the scheduler has made the job")

    ended = system.wait_over(job)
    assert (ended.trigger, ended.state) == ("schedule", "succeeded")


def test_the_request_id_is_returned_and_logged_by_every_service(system: System) -> None:
    table = system.make_table("traced")
    write_items(system.incoming / "traced.csv", 10)
    with system.client as client:
        client.put_dataset("traced", {"table": table, "source": "traced.csv"})
        answer = client.post("/v1/jobs", {"dataset": "traced"}, {"X-Request-ID": "trace-me-42"})
        system.wait_over(Job.model_validate(answer.json()))

    assert answer.headers["x-request-id"] == "trace-me-42"
    for service in ("api", "worker", "loader"):
        traced = [
            line for line in system.log_lines(service) if line.get("request_id") == "trace-me-42"
        ]
        assert traced, f"the {service} has not logged the request id"


def test_the_result_of_the_plan_is_found_under_the_jobs_id(system: System) -> None:
    table = system.make_table("result")
    write_items(system.incoming / "result.csv", 10)
    with system.client as client:
        client.put_dataset("result", {"table": table, "source": "result.csv"})
        job = system.wait_over(client.submit(dataset="result"))

        task = client.get(f"/v1/tasks/{job.id}").json()

    assert task["state"] == "SUCCESS"
