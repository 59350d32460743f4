"""What the api does while a server that it needs is away."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psycopg2
import pytest

from libs.devstack.ports import free_port
from libs.devstack.testing.databases import ScratchDatabase
from services.api.tests.integration.api_bench import (
    ITEMS,
    Ledger,
    SettingsWith,
    problem_of,
    serving,
    silent_server,
)

BODY = {"dataset": "items", "data_date": "2026-01-02"}
UNKNOWN = "01a20bb0-ed59-716e-a450-60748f27550b"


@pytest.fixture
def without_postgres(settings_with: SettingsWith, upload_dir: Path) -> Iterator[httpx.Client]:
    """Serve an api whose Postgres is away."""
    nowhere = f"postgresql+psycopg2://adsp_api:x@127.0.0.1:{free_port()}/adsp"
    with serving(settings_with(database_url=nowhere)) as client:
        yield client


def test_without_postgres_every_request_is_a_problem_that_says_when_to_return(
    without_postgres: httpx.Client, upload_dir: Path
) -> None:
    requests = [
        ("POST", "/trigger-job", None),
        ("POST", "/v1/jobs", BODY),
        ("GET", "/v1/jobs", None),
        ("GET", f"/v1/jobs/{UNKNOWN}", None),
        ("GET", f"/v1/jobs/{UNKNOWN}/failed-rows", None),
        ("GET", f"/v1/jobs/{UNKNOWN}/failed-rows?format=csv", None),
        ("PUT", "/v1/datasets/items", ITEMS),
        ("GET", "/v1/datasets/items", None),
        ("GET", "/v1/datasets", None),
        ("POST", "/v1/datasets/items/uploads", None),
        ("GET", f"/v1/tasks/{UNKNOWN}", None),
    ]
    answers = [without_postgres.request(method, path, json=body) for method, path, body in requests]

    for answer in answers:
        status, code, detail = problem_of(answer)
        assert (status, code) == (503, "database-away")
        assert "try again" in detail
        assert int(answer.headers["retry-after"]) > 0
    assert list(upload_dir.glob("*/*")) == []


def test_postgres_connections_that_were_cut_cost_no_request(
    client: httpx.Client, ledger: Ledger, job: str
) -> None:
    client.get(f"/v1/jobs/{job}").raise_for_status()
    ledger.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE usename = 'adsp_api' AND datname = current_database()"
    )

    assert client.get(f"/v1/jobs/{job}").status_code == 200


@pytest.mark.parametrize("is_silent", [False, True], ids=["closed", "silent"])
def test_without_rabbitmq_a_job_is_taken_and_left_to_the_sweeper(
    settings_with: SettingsWith, items: Path, ledger: Ledger, *, is_silent: bool
) -> None:
    with silent_server() as silent:
        port = silent if is_silent else free_port()
        changes = {"broker_url": f"amqp://a:b@127.0.0.1:{port}/v", "publish_timeout": 1}
        with serving(settings_with(**changes)) as client:
            answer = client.post("/v1/jobs", json=BODY, timeout=10)
            metrics = client.get("/metrics").text

    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"
    assert "adsp_publish_failures_total 1.0" in metrics
    assert ledger.value("SELECT published_at IS NULL AND next_attempt_at <= now() FROM adsp.jobs")


def test_without_redis_a_job_is_published_all_the_same(
    settings_with: SettingsWith, items: Path, ledger: Ledger
) -> None:
    with serving(settings_with(redis_url=f"redis://127.0.0.1:{free_port()}/0")) as client:
        answer = client.post("/v1/jobs", json=BODY)

    assert answer.status_code == 202
    assert ledger.value("SELECT published_at IS NOT NULL FROM adsp.jobs")


def _add_large_failed_rows(ledger: Ledger, job: str) -> None:
    """Put 30 MB on record, more than the way to a client holds."""
    ledger.execute(
        "INSERT INTO adsp.failed_rows (job_id, chunk_number, byte_offset, raw, line_number, stage,"
        " error_code, message) SELECT %s, 0, n, repeat('x', 10000)::bytea, n, 'parse',"
        " 'extra-cell', 'm' FROM generate_series(1, 3000) AS n",
        job,
    )


def test_an_export_that_breaks_half_way_does_not_look_whole(
    client: httpx.Client, ledger: Ledger, items: Path, job: str
) -> None:
    ledger.plan(job, items)
    _add_large_failed_rows(ledger, job)
    with client.stream("GET", f"/v1/jobs/{job}/failed-rows?format=csv") as answer:
        pieces = answer.iter_bytes(1000)
        next(pieces)
        ledger.execute("REVOKE SELECT ON adsp.failed_rows FROM adsp_api")
        try:
            with pytest.raises(httpx.RemoteProtocolError):
                list(pieces)
        finally:
            ledger.execute("GRANT SELECT ON adsp.failed_rows TO adsp_api")


def test_an_export_whose_connections_are_cut_goes_on_and_is_whole(
    client: httpx.Client, ledger: Ledger, items: Path, job: str
) -> None:
    ledger.plan(job, items)
    _add_large_failed_rows(ledger, job)
    with client.stream("GET", f"/v1/jobs/{job}/failed-rows?format=csv") as answer:
        lines = answer.iter_lines()
        next(lines)
        ledger.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE usename = 'adsp_api' AND datname = current_database()"
        )
        assert len(list(lines)) == 3000


def test_a_request_does_not_wait_for_ever_for_a_locked_job(
    client: httpx.Client, settings_with: SettingsWith, clean_database: ScratchDatabase, job: str
) -> None:
    """A process that hangs in the middle of a transaction keeps the job's row locked."""
    with (
        serving(settings_with(database_lock_timeout=0.3)) as other,
        closing(psycopg2.connect(clean_database.superuser_dsn)) as hanging,
    ):
        hanging.cursor().execute("SELECT FROM adsp.jobs FOR UPDATE")
        answer = other.post(f"/v1/jobs/{job}/cancel")

    assert problem_of(answer)[:2] == (503, "database-busy")
    assert int(answer.headers["retry-after"]) > 0
    assert client.post(f"/v1/jobs/{job}/cancel").status_code == 200
