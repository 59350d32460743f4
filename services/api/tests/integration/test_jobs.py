import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pika
import pytest

from libs.common.messaging.names import JOBS_QUEUE
from libs.devstack.testing.vhosts import ScratchVhost
from services.api.tests.integration.api_bench import ITEMS, Ledger, problem_of

JOB_FIELDS = {
    "load_paths", "id", "dataset", "data_date", "source", "state", "trigger", "rows_read", "rows_loaded",
    "failed_rows_removed_at", "chunks_removed_at", "rows_rejected", "rows_superseded", "bytes_total", "bytes_done",
    "created_at", "started_at",
    "finished_at", "attempt", "error", "duplicate_of", "replay_of", "force", "dry_run",
    "cancel_requested_at", "owner", "outdated_by", "waiting_since", "warnings",
    "definition_version", "problem", "header_changes",
    "rows_inserted", "rows_updated", "rows_deleted", "rows_unchanged",
}  # fmt: skip
UNKNOWN = "01a20bb0-ed59-716e-a450-60748f27550b"


@pytest.mark.parametrize("path", ["/trigger-job", "/v1/jobs"])
def test_a_trigger_answers_with_the_queued_job(
    client: httpx.Client, items: Path, path: str
) -> None:
    answer = client.post(path, json={"dataset": "items", "data_date": "2026-01-02"})
    job = answer.json()

    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job.keys() == JOB_FIELDS
    assert (job["state"], job["trigger"], job["source"]) == ("queued", "api", items.name)
    assert client.get(answer.headers["location"]).json() == job


@pytest.mark.parametrize("request_body", [{}, {"json": None}, {"json": {}}])
def test_the_daily_job_needs_no_body(
    client: httpx.Client, items: Path, request_body: dict[str, object]
) -> None:
    today = datetime.now(UTC).date().isoformat()
    items.rename(items.with_name(f"items-{today}.csv"))
    answer = client.post("/trigger-job", **request_body)  # type: ignore[arg-type]

    assert answer.status_code == 202
    assert answer.json()["dataset"] == "items"
    assert answer.json()["data_date"] >= today


def test_the_default_date_is_that_of_the_datasets_time_zone(
    client: httpx.Client, root: Path
) -> None:
    """Kiritimati and Pago Pago never have the same date: 25 hours lie between them."""
    (root / "a.csv").write_text("sku\n")
    for name, zone in (("east", "Pacific/Kiritimati"), ("west", "Pacific/Pago_Pago")):
        body = {"table": "public.items", "source": "a.csv", "time_zone": zone}
        client.put(f"/v1/datasets/{name}", json=body).raise_for_status()
    dates = [
        client.post("/v1/jobs", json={"dataset": name}).json()["data_date"]
        for name in ("west", "east")
    ]

    assert dates[0] < dates[1]


def test_a_new_job_is_published_under_its_own_id(
    client: httpx.Client, items: Path, ledger: Ledger, vhost: ScratchVhost
) -> None:
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        channel.queue_purge(JOBS_QUEUE)
        job = client.post(
            "/trigger-job", json={"data_date": "2026-01-02"}, headers={"X-Request-ID": "nightly"}
        ).json()["id"]
        _, properties, body = channel.basic_get(JOBS_QUEUE, auto_ack=True)

    assert properties.headers["task"] == "jobs.plan"
    assert properties.headers["id"] == job
    assert json.loads(body)[1] == {"job_id": job, "request_id": "nightly"}
    assert ledger.value(
        "SELECT published_at IS NOT NULL AND next_attempt_at > now() FROM adsp.jobs"
    )


def test_an_unknown_dataset_is_a_problem(client: httpx.Client) -> None:
    status, code, detail = problem_of(client.post("/v1/jobs", json={"dataset": "nothing"}))

    assert (status, code) == (404, "dataset-unknown")
    assert "PUT /v1/datasets/nothing" in detail


def test_a_dataset_without_a_source_needs_one(client: httpx.Client) -> None:
    client.put("/v1/datasets/items", json={"table": "public.items"}).raise_for_status()
    status, code, detail = problem_of(client.post("/trigger-job"))

    assert (status, code) == (422, "source-not-given")
    assert "uploads" in detail


@pytest.fixture
def sources(root: Path, tmp_path: Path) -> Path:
    """Lay out everything that may not be loaded."""
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    (tmp_path / "outside.csv").write_text("sku\n")
    (root / "link.csv").symlink_to(tmp_path / "outside.csv")
    for name in ("same-1.csv", "same-2.csv"):
        (root / name).write_text("sku\n")
    return root


@pytest.mark.parametrize(
    ("source", "code", "cure"),
    [
        ("missing.csv", "source-missing", "put it there"),
        ("missing-*.csv", "source-missing", "put it there"),
        ("folder", "source-not-regular", "name a file"),
        ("pipe", "source-not-regular", "name a file"),
        ("../outside.csv", "source-not-allowed", "ADSP_SOURCE_ROOTS"),
        ("/etc/passwd", "source-not-allowed", "ADSP_SOURCE_ROOTS"),
        ("link.csv", "source-not-allowed", "ADSP_SOURCE_ROOTS"),
        ("same-*.csv", "source-ambiguous", "name one of them"),
    ],
)
def test_a_source_that_cannot_be_loaded_makes_no_job(
    client: httpx.Client, items: Path, sources: Path, source: str, code: str, cure: str
) -> None:
    answer = client.post("/v1/jobs", json={"dataset": "items", "source": source})
    status, given_code, detail = problem_of(answer)

    assert (status, given_code) == (422, code)
    assert cure in detail
    assert client.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize("source", ["{0}/*/*", "{0}/*/secret.csv", "{0}/a/secret.csv", "{0}/a/x"])
def test_a_request_never_reaches_the_upload_area(
    client: httpx.Client, items: Path, upload_dir: Path, source: str
) -> None:
    """Not by name, not by glob, and neither whether a file is there nor its name is shown."""
    (upload_dir / "a").mkdir()
    (upload_dir / "a" / "secret.csv").write_text("sku\n")
    named = source.format(upload_dir)

    for path, force in (("/v1/jobs", True), ("/trigger-job", False)):
        answer = client.post(path, json={"dataset": "items", "source": named, "force": force})
        status, code, detail = problem_of(answer)

        assert (status, code) == (422, "source-not-allowed")
        assert "secret.csv" not in detail.replace(named, "")
    client.put("/v1/datasets/items", json=ITEMS | {"source": named}).raise_for_status()
    answer = client.post("/v1/jobs", json={"dataset": "items"})
    assert problem_of(answer)[:2] == (422, "source-not-allowed")


def test_a_source_that_may_still_arrive_makes_a_job(client: httpx.Client) -> None:
    """With `arrival`, a file that is not there is no error yet; a wrong path still is."""
    body = {**ITEMS, "arrival": {"wait": "2h"}}
    client.put("/v1/datasets/items", json=body).raise_for_status()

    answer = client.post("/v1/jobs", json={"dataset": "items", "source": "missing.csv"})
    outside = client.post("/v1/jobs", json={"dataset": "items", "source": "/etc/passwd"})

    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert problem_of(outside)[:2] == (422, "source-not-allowed")


def test_a_source_that_is_missing_after_its_time_makes_no_job(client: httpx.Client) -> None:
    body = {**ITEMS, "arrival": {"until": "00:00"}}
    client.put("/v1/datasets/items", json=body).raise_for_status()

    answer = client.post("/v1/jobs", json={"dataset": "items", "source": "missing.csv"})

    assert problem_of(answer)[:2] == (422, "source-missing")


def test_a_pattern_that_means_one_file_is_accepted(client: httpx.Client, items: Path) -> None:
    answer = client.post("/v1/jobs", json={"dataset": "items", "source": "items-2026-*.csv"})

    assert answer.status_code == 202


@pytest.mark.parametrize("path", ["", "/failed-rows", "/failed-rows?format=csv"])
def test_an_unknown_job_is_a_problem(client: httpx.Client, path: str) -> None:
    status, code, detail = problem_of(client.get(f"/v1/jobs/{UNKNOWN}{path}"))

    assert (status, code) == (404, "job-unknown")
    assert "GET /v1/jobs" in detail


def test_a_running_job_shows_how_far_it_is(
    client: httpx.Client, ledger: Ledger, items: Path, job: str
) -> None:
    """Finished chunks count with all they have, leased ones with what their loader reported last."""
    ledger.plan(job, items, chunks=3)
    ledger.execute(
        "UPDATE adsp.chunks SET state = 'done', rows_read = 10, rows_loaded = 7, rows_rejected = 2,"
        " rows_superseded = 1, bytes_done = 100, finished_at = now() WHERE number = 0"
    )
    for number in (0, 1):
        ledger.execute(
            "INSERT INTO adsp.chunk_leases (job_id, chunk_number, holder, backend_pid,"
            " backend_start, expires_at, bytes_done, rows_read)"
            " VALUES (%s, %s, 'h', 1, now(), now(), 50, 5)",
            job, number,
        )  # fmt: skip
    shown = client.get(f"/v1/jobs/{job}").json()

    assert shown["state"] == "running"
    assert [shown[f"rows_{what}"] for what in ("read", "loaded", "rejected", "superseded")] == [
        15, 7, 2, 1,
    ]  # fmt: skip
    assert shown["bytes_done"] == 150
    assert shown["bytes_total"] == items.stat().st_size


def test_a_running_job_says_what_holds_it_up(
    client: httpx.Client, ledger: Ledger, job: str, items: Path
) -> None:
    """Of chunks that are over nothing is said: how they ended is in the counts or the error."""
    ledger.plan(job, items, chunks=2)
    ledger.execute("UPDATE adsp.chunks SET error_message = 'waited 60 s for a lock on feed.t'")
    waiting = client.get(f"/v1/jobs/{job}").json()
    ledger.execute("UPDATE adsp.chunks SET state = 'done', finished_at = now()")

    assert waiting["problem"] == "waited 60 s for a lock on feed.t"
    assert client.get(f"/v1/jobs/{job}").json()["problem"] is None


def test_a_failed_job_says_why(client: httpx.Client, ledger: Ledger, job: str) -> None:
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'failed', error_code = 'source-empty', error_message = 'm',"
        " finished_at = now()"
    )

    assert client.get(f"/v1/jobs/{job}").json()["error"] == {"code": "source-empty", "message": "m"}


def test_a_duplicate_names_the_job_that_loaded_the_content(
    client: httpx.Client, ledger: Ledger, job: str
) -> None:
    body = {"dataset": "items", "data_date": "2026-01-02"}
    second = client.post("/v1/jobs", json=body).json()["id"]
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'duplicate', duplicate_of = %s, finished_at = now()"
        " WHERE id = %s",
        job, second,
    )  # fmt: skip

    assert client.get(f"/v1/jobs/{second}").json()["duplicate_of"] == job


def _pages(client: httpx.Client, path: str, **parameters: str | int) -> list[list[str]]:
    """Follow the page tokens and return the ids of each page."""
    pages: list[list[str]] = []
    for _ in range(20):
        page = client.get(path, params=parameters).raise_for_status().json()
        pages.append([item["id"] for item in page["items"]])
        if page["next_page_token"] is None:
            return pages
        parameters["page_token"] = page["next_page_token"]
    raise AssertionError("the list does not end")


def test_jobs_are_listed_in_pages_the_newest_first(client: httpx.Client, items: Path) -> None:
    made = [
        client.post("/v1/jobs", json={"dataset": "items", "source": items.name}).json()["id"]
        for _ in range(5)
    ]
    pages = _pages(client, "/v1/jobs", page_size=2)

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [job for page in pages for job in page] == sorted(made, reverse=True)


def test_a_full_last_page_has_no_token(client: httpx.Client, items: Path, job: str) -> None:
    assert _pages(client, "/v1/jobs", page_size=1) == [[job]]


def test_a_job_made_between_two_pages_does_not_shift_them(
    client: httpx.Client, items: Path
) -> None:
    body = {"dataset": "items", "source": items.name}
    made = [client.post("/v1/jobs", json=body).json()["id"] for _ in range(2)]
    first = client.get("/v1/jobs", params={"page_size": 1}).json()
    client.post("/v1/jobs", json=body).raise_for_status()
    second = client.get(
        "/v1/jobs", params={"page_size": 1, "page_token": first["next_page_token"]}
    ).json()

    assert sorted(item["id"] for item in first["items"] + second["items"]) == sorted(made)


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("dataset", "items", "orders"),
        ("state", "queued", "running"),
        ("data_date", "2026-01-02", "2026-01-03"),
        ("trigger", "api", "schedule"),
    ],
)
def test_jobs_are_filtered(
    client: httpx.Client, job: str, name: str, value: str, other: str
) -> None:
    client.put("/v1/datasets/orders", json=ITEMS).raise_for_status()

    assert _pages(client, "/v1/jobs", **{name: value}) == [[job]]
    assert _pages(client, "/v1/jobs", **{name: other}) == [[]]


def test_a_page_token_holds_for_its_filter_only(client: httpx.Client, items: Path) -> None:
    body = {"dataset": "items", "source": items.name}
    for _ in range(2):
        client.post("/v1/jobs", json=body).raise_for_status()
    token = client.get("/v1/jobs?page_size=1&state=queued").json()["next_page_token"]
    answer = client.get("/v1/jobs", params={"page_token": token, "state": "running"})

    assert problem_of(answer)[:2] == (422, "page-token-invalid")


FILTERS = [
    ("state", "failed"),
    ("state", "waiting"),
    ("trigger", "schedule"),
    ("trigger", "replay"),
    ("data_date", "2026-01-03"),
    ("data_date", "1999-01-01"),
]


def test_jobs_of_a_filter_are_found_without_reading_the_others(
    client: httpx.Client, job: str, ledger: Ledger
) -> None:
    """The page links to each state: one that hardly any job is in read all jobs there ever were."""
    ledger.execute(
        "INSERT INTO adsp.jobs (id, dataset, definition, definition_version, data_date, source, trigger,"
        " state, finished_at) SELECT gen_random_uuid(), 'items', '{}', 1, '2026-01-02', 's', 'api', 'succeeded', now()"
        " FROM generate_series(1, 20000)"
    )
    ledger.execute("ANALYZE adsp.jobs")
    for name, value in FILTERS:
        query = f"SELECT * FROM adsp.jobs WHERE {name} = '{value}' ORDER BY id DESC LIMIT 51"
        plan = "\n".join(row[0] for row in ledger.execute(f"EXPLAIN (ANALYZE, BUFFERS) {query}"))
        blocks = sum(map(int, re.findall(r"shared hit=(\d+)", plan.split("Planning")[0])))

        assert client.get(f"/v1/jobs?{name}={value}").json()["items"] == [], (name, value)
        assert f"ix_jobs_{name}_id" in plan
        assert blocks < 50, (name, value, blocks)


def test_a_job_says_how_its_records_were_loaded_and_why(
    client: httpx.Client, ledger: Ledger, items: Path, job: str
) -> None:
    """Nobody could say why a load took long: the path and its reason stood in the ledger only."""
    ledger.plan(job, items, chunks=3)
    ledger.execute(
        "UPDATE adsp.chunks SET load_path = CASE number WHEN 1 THEN 'singly' ELSE 'blocks' END,"
        " load_path_reason = CASE number WHEN 1 THEN 'a trigger may look at the rows before' END"
        " WHERE job_id = %s",
        job,
    )

    shown = client.get(f"/v1/jobs/{job}").json()["load_paths"]
    listed = client.get("/v1/jobs").json()["items"][0]["load_paths"]

    assert shown == [
        {"path": "blocks", "reason": None, "chunks": 2},
        {"path": "singly", "reason": "a trigger may look at the rows before", "chunks": 1},
    ]
    assert listed is None


def test_a_dry_run_is_said_to_be_one(client: httpx.Client, items: Path) -> None:
    client.put("/v1/datasets/items", json={**ITEMS, "atomic": False}).raise_for_status()

    job = client.post(
        "/v1/jobs", json={"dataset": "items", "data_date": "2026-01-02", "dry_run": True}
    ).json()

    assert job["dry_run"] is True
    assert client.get(f"/v1/jobs/{job['id']}").json()["dry_run"] is True


def test_the_daily_trigger_takes_no_dry_run(client: httpx.Client, items: Path) -> None:
    answer = client.post("/trigger-job", json={"dry_run": True})

    assert problem_of(answer)[:2] == (422, "invalid-request")
