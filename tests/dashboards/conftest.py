"""Give the whole system with a Prometheus that watches it, after one good, one rejecting and one failing job."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.client.models import Job
from libs.devstack.addresses import StackAddresses
from libs.devstack.monitoring import MonitoringPlan, monitored
from libs.devstack.ports import free_ports
from libs.devstack.scraping import Target
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.fixtures import EnvironmentFor
from libs.devstack.testing.waiting import wait_for
from tests.dashboards.daily_work import DATASETS, JOBS, put_datasets
from tests.dashboards.prometheus import Prometheus
from tests.endtoend.system import SERVICES, System

REPOSITORY = Path(__file__).parents[2]
RULES = REPOSITORY / "infra" / "prometheus" / "rules"
_ALERTMANAGER = "{route: {receiver: none}, receivers: [{name: none}]}"


@pytest.fixture(scope="session")
def ports() -> dict[str, int]:
    return dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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
        with monitored(plan) as running:
            client = Prometheus(running.addresses.prometheus_url)
            yield client
            client.close()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def jobs(system: System, prometheus: Prometheus) -> list[Job]:
    """Run the jobs while Prometheus looks on, and return them when it has seen their ends."""
    put_datasets(system)
    untouched = "sum by (dataset) (adsp_jobs_total) == 0"
    wait_for(lambda: len(prometheus.query(untouched)) == len(DATASETS), 60, "datasets are seen")
    # What a counter was before it was first seen is in no increase.
    wait_for(lambda: len(prometheus.query("adsp_build_info")) == len(SERVICES), 60, "all are seen")
    with system.client as client:
        ended = [system.wait_over(client.submit(**asked)) for asked in JOBS]
    seen = "sum(adsp_jobs_total)"
    wait_for(lambda: prometheus.value(seen) == len(JOBS), 60, "the jobs' ends are seen")
    return ended


@pytest.fixture(scope="session")
def watched(jobs: list[Job], prometheus: Prometheus) -> Prometheus:
    """Give the Prometheus that has seen the jobs."""
    return prometheus


def _metrics_port(service: str, ports: dict[str, int]) -> dict[str, str]:
    return {} if service == "api" else {"ADSP_METRICS_PORT": str(ports[service])}
