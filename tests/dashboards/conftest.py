"""Give the whole system with a Prometheus that watches it, after one good, one rejecting and one failing job."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.common.stack.addresses import StackAddresses
from libs.common.stack.monitoring import MonitoringPlan, monitored
from libs.common.stack.ports import free_ports
from libs.common.stack.scraping import Target
from libs.common.testing.databases import ScratchDatabase
from libs.common.testing.fixtures import EnvironmentFor
from libs.common.testing.waiting import wait_for
from tests.dashboards.prometheus import Prometheus
from tests.endtoend.system import SERVICES, System
from tools.generate import write_items

REPOSITORY = Path(__file__).parents[2]
RULES = REPOSITORY / "infra" / "prometheus" / "rules"
DATASETS = ("good", "rejecting", "failing")
_ALERTMANAGER = "{route: {receiver: none}, receivers: [{name: none}]}"


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))


@pytest.fixture(scope="module")
def system(
    ports: dict[str, int],
    database: ScratchDatabase,
    environment_for: EnvironmentFor,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    running = System(
        folder=tmp_path_factory.mktemp("system"),
        database=database,
        environment_of=environment_for,  # type: ignore[arg-type]
        port=ports["api"],
    )
    running.incoming.mkdir()
    for service in SERVICES:
        running.start(service, **_metrics_port(service, ports))
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def prometheus(
    system: System, ports: dict[str, int], stack: StackAddresses, database: ScratchDatabase
) -> Iterator[Prometheus]:
    """Watch the system, scraping each second."""
    # Not pytest's folder, which the servers' account cannot enter.
    folder = Path("/var/tmp") / f"adsp-dashboards-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    plan = MonitoringPlan(
        folder=folder / "data",
        logs=folder / "logs",
        addresses=stack,
        services=[Target(service, port) for service, port in ports.items()],
        rules={file.name: file.read_text() for file in RULES.glob("*.yml")},
        alertmanager=_ALERTMANAGER,
        database=database.name,
        interval="1s",
    )
    try:
        with monitored(plan) as addresses:
            client = Prometheus(addresses.prometheus_url)
            yield client
            client.close()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def watched(system: System, prometheus: Prometheus) -> Prometheus:
    """Run the jobs while Prometheus looks on, and return when it has seen their ends."""
    _put_datasets(system)
    started = "count(adsp_jobs_total) by (dataset) and on (dataset) sum by (dataset) (adsp_jobs_total) == 0"
    wait_for(lambda: len(prometheus.query(started)) == len(DATASETS), 60, "the datasets are seen")
    with system.client as client:
        for source in ("good-1.csv", "good-2.csv"):
            system.wait_over(client.submit(dataset="good", source=source))
        system.wait_over(client.submit(dataset="rejecting"))
        system.wait_over(client.submit(dataset="failing"))
    wait_for(lambda: prometheus.value("sum(adsp_jobs_total)") == 4, 60, "the jobs' ends are seen")
    return prometheus


def _put_datasets(system: System) -> None:
    write_items(system.incoming / "good-1.csv", 5_000)
    write_items(system.incoming / "good-2.csv", 6_000, seed=2)
    write_items(system.incoming / "rejecting.csv", 2_000, bad_ratio=0.1, seed=3)
    (system.incoming / "failing.csv").write_text("no,such,columns\n1,2,3\n")
    schedule = {"cron": "0 2 * * *"}
    with system.client as client:
        for name in DATASETS:
            definition: dict[str, Any] = {
                "table": system.make_table(name),
                "source": f"{name}.csv",
            }
            if name == "good":
                definition |= {"mode": "upsert", "key": ["sku"], "schedule": schedule}
            client.put_dataset(name, definition)


def _metrics_port(service: str, ports: dict[str, int]) -> dict[str, str]:
    return {} if service == "api" else {"ADSP_METRICS_PORT": str(ports[service])}
