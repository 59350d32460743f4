"""What watches a stack starts private, scrapes the servers, and goes with its parent."""

import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from libs.devstack import local_http
from libs.devstack.addresses import StackAddresses
from libs.devstack.binaries import missing_monitoring, monitoring_program
from libs.devstack.errors import ServerMissingError
from libs.devstack.monitoring import MonitoringPlan, RunningMonitoring, monitored
from libs.devstack.os_user import Account
from libs.devstack.testing.waiting import wait_for

pytestmark = pytest.mark.skipif(
    bool(missing_monitoring()), reason=f"not installed: {', '.join(missing_monitoring())}"
)

RULES = """
groups:
  - name: test
    rules:
      - {alert: Always, expr: vector(1), labels: {severity: none}}
"""
ALERTMANAGER = """
route: {receiver: none}
receivers: [{name: none}]
"""


@pytest.fixture(scope="module")
def monitoring(stack: StackAddresses) -> Iterator[RunningMonitoring]:
    """Watch the shared servers, from a folder that the servers' account can enter."""
    folder = Path("/var/tmp") / f"adsp-monitoring-{uuid.uuid4().hex[:8]}"
    plan = MonitoringPlan(
        folder=folder / "data",
        logs=folder / "logs",
        addresses=stack,
        services=[],
        rules={"test.yml": RULES},
        alertmanager=ALERTMANAGER,
        interval="1s",
        resend_delay="1s",
    )
    folder.mkdir()
    with monitored(plan) as running:
        yield running
    shutil.rmtree(folder)


def ask(url: str) -> Any:
    """Return the JSON that an HTTP interface answers."""
    return local_http.ask(url, 5).raise_for_status().json()


def query(monitoring: RunningMonitoring, expression: str) -> dict[str, float]:
    """Return an expression's values by job."""
    url = f"{monitoring.addresses.prometheus_url}/api/v1/query?query={quote(expression)}"
    return {
        series["metric"]["job"]: float(series["value"][1]) for series in ask(url)["data"]["result"]
    }


def test_all_servers_are_scraped(monitoring: RunningMonitoring) -> None:
    jobs = ["alertmanager", "postgres", "prometheus", "rabbitmq", "rabbitmq-detailed", "redis"]

    wait_for(lambda: query(monitoring, "up") == dict.fromkeys(jobs, 1.0), 30, "every target is up")


def test_the_exporters_are_let_in(monitoring: RunningMonitoring) -> None:
    wait_for(
        lambda: query(monitoring, "pg_up or redis_up") == {"postgres": 1.0, "redis": 1.0},
        30,
        "both exporters reach their servers",
    )


def test_the_exporter_asks_postgres_for_nothing_that_is_not_there(
    monitoring: RunningMonitoring,
) -> None:
    [exporter] = [each for each in monitoring.children if each.command.name == "Postgres exporter"]
    wait_for(lambda: query(monitoring, "pg_up{job='postgres'}"), 30, "it was scraped")

    assert "level=error" not in exporter.command.log.read_text()


def test_an_alert_reaches_alertmanager(monitoring: RunningMonitoring) -> None:
    url = f"{monitoring.addresses.alertmanager_url}/api/v2/alerts"

    [alert] = wait_for(lambda: ask(url), 30, "the alert is there")
    assert alert["labels"]["alertname"] == "Always"


def test_all_run_unprivileged_and_show_no_password(
    monitoring: RunningMonitoring, stack: StackAddresses
) -> None:
    for child in monitoring.children:
        process = Path(f"/proc/{child.pid}")
        arguments = (process / "cmdline").read_text()

        assert process.stat().st_uid == Account.current().uid
        assert stack.credentials.monitor not in arguments
        assert stack.credentials.redis not in arguments
        assert child.command.orphan_signal is signal.SIGKILL


def test_a_missing_program_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ServerMissingError, match=r"apt-get install .*prometheus-alertmanager"):
        monitoring_program("prometheus-alertmanager")
