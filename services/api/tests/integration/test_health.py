import time
from contextlib import ExitStack, closing

import httpx
import psycopg2
import pytest

from libs.common.version import VERSION
from libs.devstack.ports import free_port
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.waiting import wait_for
from services.api.tests.integration.api_bench import (
    Ledger,
    SettingsWith,
    problem_of,
    serving,
    silent_server,
)

CLOSED = {
    "postgres": ("database_url", "postgresql+psycopg2://adsp_api:x@127.0.0.1:{port}/adsp"),
    "rabbitmq": ("broker_url", "amqp://a:b@127.0.0.1:{port}/v"),
    "redis": ("redis_url", "redis://127.0.0.1:{port}/0"),
}


def test_health_names_the_service_and_its_version(client: httpx.Client) -> None:
    answer = client.get("/health")

    assert answer.status_code == 200
    shown = answer.json()
    connections = shown.pop("connections")
    assert shown == {
        "status": "ok",
        "service": "api",
        "version": VERSION,
        "servers": {"postgres": "ok", "rabbitmq": "ok", "redis": "ok"},
    }
    assert 0 < connections["taken"] < connections["most"]


def test_health_counts_the_connections_to_postgres_of_everybody(
    client: httpx.Client, ledger: Ledger, database: ScratchDatabase
) -> None:
    most = ledger.value(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    )

    def taken() -> int:
        found = client.get("/health").json()["connections"]
        assert found["most"] == most
        return int(found["taken"])

    before = taken()
    with ExitStack() as others:
        for _ in range(20):
            others.enter_context(closing(psycopg2.connect(database.superuser_dsn)))
        wait_for(lambda: taken() >= before + 15, 10, "they are counted")


@pytest.mark.parametrize("server", CLOSED)
def test_health_answers_200_and_names_the_server_that_is_away(
    settings_with: SettingsWith, server: str
) -> None:
    name, url = CLOSED[server]

    with serving(settings_with(**{name: url.format(port=free_port())})) as client:
        answer = client.get("/health")

    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert [name for name, word in answer.json()["servers"].items() if word != "ok"] == [server]


def test_the_api_is_ready_when_every_server_answers(client: httpx.Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "servers": {"postgres": "ok", "rabbitmq": "ok", "redis": "ok"},
    }


def test_a_flood_of_probes_costs_the_servers_little(client: httpx.Client, ledger: Ledger) -> None:
    """Seen before: anyone could have a connection to each server made for each request, uncounted."""
    sessions = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
    before, start = ledger.value(sessions), time.monotonic()
    statuses = {client.get("/readyz").status_code for _ in range(200)}
    seconds = time.monotonic() - start

    assert statuses == {200}
    # Besides a connection or two that the api's own pool opens meanwhile.
    assert ledger.value(sessions) - before <= 2 * seconds + 5


@pytest.mark.parametrize("server", ["postgres", "rabbitmq"])
def test_a_required_server_that_is_away_makes_the_api_not_ready(
    settings_with: SettingsWith, server: str
) -> None:
    name, url = CLOSED[server]

    with serving(settings_with(**{name: url.format(port=free_port())})) as client:
        answer = client.get("/readyz")
        alive = [client.get(path).status_code for path in ("/livez", "/health", "/metrics")]

    status, code, detail = problem_of(answer)
    assert (status, code) == (503, "not-ready")
    assert f"({server}: " in detail
    assert int(answer.headers["retry-after"]) > 0
    assert alive == [200, 200, 200]


@pytest.mark.parametrize("server", ["postgres", "rabbitmq"])
def test_a_required_server_that_hangs_is_given_up_in_time(
    settings_with: SettingsWith, server: str
) -> None:
    name, url = CLOSED[server]

    with (
        silent_server() as port,
        serving(settings_with(**{name: url.format(port=port)}, readiness_timeout=0.5)) as client,
    ):
        answers = [client.get("/readyz", timeout=2) for _ in range(2)]

    for answer in answers:
        assert problem_of(answer)[:2] == (503, "not-ready")
        assert f"{server}: " in answer.json()["detail"]


def test_without_redis_the_api_is_degraded_but_ready(settings_with: SettingsWith) -> None:
    name, url = CLOSED["redis"]

    with serving(settings_with(**{name: url.format(port=free_port())})) as client:
        answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["servers"]["redis"] == "ConnectionError"


def test_metrics_count_requests_by_route_template(client: httpx.Client) -> None:
    client.get("/v1/jobs/01a20bb0-ed59-716e-a450-60748f27550b")
    client.get("/no/such/path/1")
    client.request("BREW", "/no/such/path/2")
    shown = client.get("/metrics").text

    assert (
        'adsp_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"} 1.0' in shown
    )
    assert 'adsp_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in shown
    assert 'method="other"' in shown
    assert "/no/such/path" not in shown
    assert "process_resident_memory_bytes" in shown


def test_the_documentation_is_served(client: httpx.Client) -> None:
    assert "swagger" in client.get("/docs").text
    assert client.get("/openapi.json").json()["info"]["title"] == "ADSP"
