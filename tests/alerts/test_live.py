"""A real system, watched by a real Prometheus: its metrics are what the rules read, and alerts reach the webhook."""

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pika
import pytest

from libs.common.messaging.amqp import broker_parameters
from libs.common.messaging.names import JOBS_QUEUE
from libs.devstack.binaries import missing_monitoring, monitoring_program
from libs.devstack.monitoring import monitored
from libs.devstack.monitoring_addresses import MonitoringAddresses
from libs.devstack.ports import free_port, free_ports
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.fixtures import EnvironmentFor
from libs.devstack.testing.vhosts import ScratchVhost
from libs.devstack.testing.waiting import wait_for
from tests.alerts.rules import read_rules, selectors
from tests.alerts.watching import plan_watching, query
from tests.alerts.webhook import Webhook
from tests.endtoend.system import SERVICES, System

pytestmark = pytest.mark.skipif(
    bool(missing_monitoring()), reason=f"not installed: {', '.join(missing_monitoring())}"
)

OTHERS = ("worker", "loader", "scheduler")
PATIENCE = 40.0
ITEMS = "sku,name,category,price,quantity,updated_at\n" + "".join(
    f"SKU-{number},lamp,tools,{price},3,2026-01-01 00:00:00+00\n"
    for number, price in enumerate(["9.99", "-1"])
)


@dataclass(frozen=True)
class Watched:
    """A system, what watches it, and who hears of it."""

    system: System
    ports: dict[str, int]
    monitoring: MonitoringAddresses
    webhook: Webhook

    def start(self, service: str) -> None:
        """Start a service whose metrics are at its port."""
        port = {} if service == "api" else {"ADSP_METRICS_PORT": str(self.ports[service])}
        self.system.start(service, **port)

    def firing(self, *alerts: str) -> list[dict[str, str]]:
        """Return the labels of those of these alerts that fire now."""
        found = query(
            self.monitoring, f'ALERTS{{alertname=~"{"|".join(alerts)}", alertstate="firing"}}'
        )
        return [series["metric"] for series in found]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder that the servers' account can enter."""
    made = Path("/var/tmp") / f"adsp-alerts-{uuid.uuid4().hex[:8]}"
    made.mkdir()
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def system(
    database: ScratchDatabase, environment_for: EnvironmentFor, folder: Path
) -> Iterator[System]:
    """Give a system of which nothing runs yet."""
    port = free_port()
    made = System(folder / "system", database, environment_for, port)  # type: ignore[arg-type]
    made.incoming.mkdir(parents=True)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def watched(system: System, folder: Path) -> Iterator[Watched]:
    """Give a system that is well, has loaded a file with one bad row, and is watched."""
    ports = {"api": system.port, **dict(zip(OTHERS, free_ports(len(OTHERS)), strict=True))}
    database = system.database
    with Webhook().listening() as webhook:
        plan = plan_watching(folder, database.addresses, database.name, ports, webhook)
        with monitored(plan) as monitoring:
            made = Watched(system, ports, monitoring.addresses, webhook)
            for service in SERVICES:
                made.start(service)
            system.wait_ready()
            _load_items(system)
            wait_for(
                lambda: not made.firing("TargetDown", "SchedulerNotTicking"),
                PATIENCE,
                "all is well",
            )
            yield made


def _load_items(system: System) -> None:
    (system.incoming / "items.csv").write_text(ITEMS)
    schedule = {"cron": "0 0 * * *", "time_zone": "UTC"}
    with system.client as client:
        client.put_dataset(
            "items", {"table": "public.items", "source": "items.csv", "schedule": schedule}
        )
        job = system.wait_over(client.submit(dataset="items"))
    assert job.state == "completed_with_rejects"


def _expressions() -> list[str]:
    """List what the rules read and do not record themselves."""
    rules = read_rules()
    recorded = {rule.record for rule in rules}
    read = {each for rule in rules for each in selectors(rule.expression)}
    return sorted(read - recorded)


@pytest.mark.parametrize("service", SERVICES)
def test_promtool_finds_no_fault_with_the_metrics_of(watched: Watched, service: str) -> None:
    scraped = httpx.get(f"http://127.0.0.1:{watched.ports[service]}/metrics")
    ours = [line for line in scraped.text.splitlines(keepends=True) if "adsp_" in line]
    checked = subprocess.run(
        [monitoring_program("promtool"), "check", "metrics"],
        input="".join(ours),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert len(ours) > 3
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.parametrize("selector", _expressions())
def test_what_a_rule_reads_is_there(watched: Watched, selector: str) -> None:
    wait_for(lambda: query(watched.monitoring, selector), PATIENCE, f"{selector} has series")


def test_the_sign_of_life_arrives(watched: Watched) -> None:
    wait_for(lambda: watched.webhook.heard("watchdog"), PATIENCE, "the watchdog's receiver hears")

    assert {each["alertname"] for each in watched.webhook.heard("watchdog")} == {"Watchdog"}
    assert "Watchdog" not in {each["alertname"] for each in watched.webhook.heard("operators")}


def _hears(watched: Watched, alert: str, **labels: str) -> Callable[[], bool]:
    wanted = {"alertname": alert, **labels}
    return lambda: any(
        wanted.items() <= each.items() for each in watched.webhook.heard("operators")
    )


def test_a_dead_letter_is_reported(watched: Watched, vhost: ScratchVhost) -> None:
    wait_for(lambda: query(watched.monitoring, "adsp_dead_letters_total == 0"), PATIENCE, "it is 0")
    assert watched.firing("DeadLetters") == []
    watched.webhook.forget()

    connection = pika.BlockingConnection(broker_parameters(vhost.url))
    connection.channel().basic_publish("", routing_key=JOBS_QUEUE, body=b"\x00 no message")
    connection.close()

    wait_for(_hears(watched, "DeadLetters", severity="warning"), PATIENCE, "it is reported")


def test_a_stopped_scheduler_is_reported_and_its_return_too(watched: Watched) -> None:
    watched.webhook.forget()
    assert watched.firing("SchedulerNotTicking", "TargetDown") == []

    watched.system.processes.pop("scheduler").stop(20)

    wait_for(
        _hears(watched, "SchedulerNotTicking", severity="critical"), PATIENCE, "it is reported"
    )
    wait_for(_hears(watched, "TargetDown", job="scheduler"), PATIENCE, "so is its target")
    watched.start("scheduler")
    wait_for(
        lambda: (
            {"SchedulerNotTicking", "TargetDown"}
            <= {each["alertname"] for each in watched.webhook.heard("operators", "resolved")}
        ),
        PATIENCE,
        "its return is reported",
    )
