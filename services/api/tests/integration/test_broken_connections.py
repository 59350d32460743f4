"""What the api answers when its connection to Postgres breaks in the middle of a request."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psycopg2
import pytest

from libs.devstack.addresses import StackAddresses
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.waiting import wait_for
from services.api.tests.integration.api_bench import (
    ITEMS,
    Ledger,
    SettingsWith,
    problem_of,
    serving,
)

BODY = {"dataset": "items", "data_date": "2026-01-02"}
GATE = 7_004_001
WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE usename = 'adsp_api'"
    " AND datname = current_database() AND wait_event_type = 'Lock'"
)


@contextmanager
def cut_while_it_waits(ledger: Ledger, request: "Future[httpx.Response]") -> Iterator[None]:
    """Cut the connection of the request that waits for a lock, then let the caller look."""
    waiting = wait_for(lambda: ledger.execute(WAITING), 10, "the request waits in Postgres")
    for (pid,) in waiting:
        ledger.execute("SELECT pg_terminate_backend(%s, 5000)", pid)
    request.result(timeout=10)
    yield


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@contextmanager
def locked(database: ScratchDatabase, table: str) -> Iterator[None]:
    """Keep everybody away from a table."""
    with closing(psycopg2.connect(database.superuser_dsn)) as holder:
        with holder.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.fixture
def slow_commit(ledger: Ledger) -> Iterator[None]:
    """Make the commit of every new job wait for the gate, which is shut."""
    ledger.execute(
        f"""
        CREATE FUNCTION public.wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON adsp.jobs DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION public.wait_at_gate();
        SELECT pg_advisory_lock({GATE})
        """
    )
    yield
    ledger.execute(
        f"""
        SELECT pg_advisory_unlock({GATE});
        DROP TRIGGER gate ON adsp.jobs;
        DROP FUNCTION public.wait_at_gate()
        """
    )


@pytest.mark.parametrize(
    ("table", "method", "path"),
    [
        ("adsp.jobs", "GET", "/v1/jobs"),
        ("adsp.datasets", "GET", "/v1/datasets"),
        ("adsp.datasets", "POST", "/v1/jobs"),
        ("adsp.datasets", "PUT", "/v1/datasets/items"),
        ("pg_catalog.pg_attrdef", "PUT", "/v1/datasets/items"),
    ],
)
def test_a_connection_that_breaks_during_a_request_is_a_problem(
    client: httpx.Client,
    clean_database: ScratchDatabase,
    ledger: Ledger,
    items: Path,
    background: ThreadPoolExecutor,
    table: str,
    method: str,
    path: str,
) -> None:
    bodies = {"PUT": ITEMS, "POST": BODY}
    with locked(clean_database, table):
        request = background.submit(client.request, method, path, json=bodies.get(method))
        with cut_while_it_waits(ledger, request):
            answer = request.result()

    assert problem_of(answer)[:2] == (503, "database-away")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.usefixtures("slow_commit")
def test_a_connection_that_breaks_in_the_commit_says_that_the_outcome_is_unknown(
    client: httpx.Client,
    ledger: Ledger,
    items: Path,
    background: ThreadPoolExecutor,
) -> None:
    request = background.submit(client.post, "/v1/jobs", json=BODY)
    with cut_while_it_waits(ledger, request):
        status, code, detail = problem_of(request.result())

    assert (status, code) == (503, "outcome-unknown")
    assert "Idempotency-Key" in detail
    assert int(request.result().headers["retry-after"]) > 0


@pytest.mark.usefixtures("slow_commit")
def test_the_file_of_an_upload_with_an_unknown_outcome_is_kept(
    client: httpx.Client,
    ledger: Ledger,
    items: Path,
    upload_dir: Path,
    background: ThreadPoolExecutor,
) -> None:
    """The job may exist, and would then look for its file."""
    path = "/v1/datasets/items/uploads"
    request = background.submit(client.post, path, content=b"sku\n")
    with cut_while_it_waits(ledger, request):
        status, code, _ = problem_of(request.result())

    assert (status, code) == (503, "outcome-unknown")
    assert [file.read_bytes() for file in upload_dir.rglob("*.csv")] == [b"sku\n"]


def test_a_database_without_a_ledger_names_the_migrations(
    settings_with: SettingsWith, stack: StackAddresses, ledger: Ledger
) -> None:
    name = f"unmigrated_{threading.get_native_id()}"
    ledger.execute(f"CREATE DATABASE {name}")
    try:
        with serving(settings_with(database_url=stack.database_url("api", name))) as client:
            answer = client.get("/v1/jobs")
    finally:
        ledger.execute(f"DROP DATABASE {name} WITH (FORCE)")
    status, code, detail = problem_of(answer)

    assert (status, code) == (503, "database-not-migrated")
    assert "db.migrate" in detail


def test_a_database_that_takes_no_changes_is_a_problem(
    settings_with: SettingsWith, clean_database: ScratchDatabase, ledger: Ledger, items: Path
) -> None:
    role = f"ROLE adsp_api IN DATABASE {clean_database.name}"
    ledger.execute(f"ALTER {role} SET default_transaction_read_only = on")
    try:
        with serving(settings_with()) as client:
            refused = client.post("/v1/jobs", json=BODY)
            shown = client.get("/v1/jobs")
    finally:
        ledger.execute(f"ALTER {role} RESET default_transaction_read_only")
    status, code, detail = problem_of(refused)

    assert (status, code) == (503, "database-read-only")
    assert "primary" in detail
    assert shown.status_code == 200


def test_a_privilege_that_is_missing_is_a_problem(
    client: httpx.Client, ledger: Ledger, items: Path
) -> None:
    ledger.execute("REVOKE INSERT ON adsp.jobs FROM adsp_api")
    try:
        answer = client.post("/v1/jobs", json=BODY)
    finally:
        ledger.execute("GRANT INSERT ON adsp.jobs TO adsp_api")

    assert problem_of(answer)[:2] == (503, "database-not-permitted")
