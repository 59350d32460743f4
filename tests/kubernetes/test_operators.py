"""What the operators of Prometheus and KEDA read fits what ADSP serves; Kubernetes has no schema of it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.common.messaging.names import LOADER_QUEUES
from libs.devstack.binaries import missing_monitoring, monitoring_program
from services.loader.settings import LoaderSettings
from tests.alerts.rules import CASES, RULES
from tests.kubernetes.manifests import (
    COMPONENT,
    KUBERNETES,
    REPOSITORY,
    Object,
    documents,
    needs_kubectl,
    of_kind,
    pods,
    ports,
    selects,
)
from tools.generated_files import differing
from tools.kubernetes.rules import WITHOUT_LOADERS, rendered

needs_promtool = pytest.mark.skipif(
    bool(missing_monitoring()), reason=f"not installed: {', '.join(missing_monitoring())}"
)
PRODUCTION = "production"
KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}
_NONE_WAIT = (
    """rabbitmq_detailed_queue_messages_ready{{vhost="adsp", queue="{}"}}', values: "0+0x12" """
)
QUIET = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - name: no loader and no work
    interval: 1m
    input_series:
      - { series: 'up{job="worker"}', values: "1+0x12" }
      - { series: 'up{job="scheduler"}', values: "1+0x12" }
      - { series: 'rabbitmq_detailed_queue_consumers{vhost="adsp", queue="load"}', values: "0+0x12" }
      - { series: 'rabbitmq_detailed_queue_messages_ready{vhost="adsp", queue="load"}', values: "0+0x12" }
      - { series: 'rabbitmq_detailed_queue_consumers{vhost="adsp", queue="small-loads"}', values: "0+0x12" }
      - { series: 'rabbitmq_detailed_queue_messages_ready{vhost="adsp", queue="small-loads"}', values: "0+0x12" }
      - { series: 'rabbitmq_detailed_queue_messages_ready{vhost="adsp", queue="jobs"}', values: "0+0x12" }
    alert_rule_test:
      - { eval_time: 12m, alertname: TargetDown, exp_alerts: [] }
      - { eval_time: 12m, alertname: NoConsumers, exp_alerts: [] }
"""


def test_the_rules_are_those_of_prometheus() -> None:
    assert differing(rendered()) == []
    objects = list(documents(KUBERNETES / "components" / "monitoring" / "rules.yaml"))
    assert {each["metadata"]["name"]: each["spec"] for each in objects} == {
        file.stem: yaml.safe_load(file.read_text("utf-8")) for file in RULES.glob("*.yml")
    }


@needs_kubectl
def test_small_needs_no_operator() -> None:
    assert of_kind("small", *KINDS) == {}


@needs_kubectl
def test_production_has_the_rules_with_what_they_say_of_loaders_changed() -> None:
    plain = {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in RULES.glob("*.yml")}
    found = {name: each["spec"] for name, each in of_kind(PRODUCTION, "PrometheusRule").items()}
    before, after = _expressions(plain), _expressions(found)

    changed = {alert for alert in before if before[alert] != after[alert]}
    assert changed == set(WITHOUT_LOADERS)
    assert before.keys() == after.keys()
    assert all(WITHOUT_LOADERS[alert] in after[alert][0] for alert in changed)


@needs_kubectl
@needs_promtool
@pytest.mark.parametrize("alert", sorted(WITHOUT_LOADERS))
def test_the_changed_alerts_fire_as_before_while_there_are_loaders(
    alert: str, tmp_path: Path
) -> None:
    case = yaml.safe_load((CASES / f"{alert}.yml").read_text("utf-8"))
    _write_rules(tmp_path)
    (tmp_path / "case.yml").write_text(yaml.safe_dump(case | {"rule_files": ["rules.yml"]}))

    assert _promtool("check", "rules", tmp_path / "rules.yml").returncode == 0
    assert _promtool("test", "rules", tmp_path / "case.yml").returncode == 0


@needs_kubectl
@needs_promtool
@pytest.mark.parametrize("queue", LOADER_QUEUES)
def test_the_changed_alerts_are_silent_while_no_loader_is_wanted(
    tmp_path: Path, queue: str
) -> None:
    none_wait = _NONE_WAIT.format(queue)
    _write_rules(tmp_path)
    (tmp_path / "quiet.yml").write_text(QUIET)
    (tmp_path / "waiting.yml").write_text(QUIET.replace(none_wait, none_wait.replace("0+", "1+")))

    assert _promtool("test", "rules", tmp_path / "quiet.yml").returncode == 0
    # A chunk that waits for a loader makes the second alert fire.
    fired = _promtool("test", "rules", tmp_path / "waiting.yml")
    assert fired.returncode != 0
    assert "NoConsumers" in fired.stdout + fired.stderr
    assert "TargetDown" not in fired.stdout + fired.stderr


@needs_kubectl
def test_each_service_is_scraped_once_under_the_name_that_the_rules_know() -> None:
    monitors = of_kind(PRODUCTION, "ServiceMonitor", "PodMonitor")
    service = of_kind(PRODUCTION, "Service")["api"]
    api, others = monitors["api"]["spec"], monitors["services"]["spec"]
    scraped = {
        name: pod
        for name, pod in pods(PRODUCTION).items()
        if selects(others["selector"], pod["metadata"]["labels"])
    }

    assert selects(api["selector"], service["metadata"]["labels"])
    assert api["endpoints"][0]["port"] in {each["name"] for each in service["spec"]["ports"]}
    assert set(scraped) == {"worker", "scheduler", "loader"}
    assert all(others["podMetricsEndpoints"][0]["port"] in ports(pod) for pod in scraped.values())
    assert all(pod["metadata"]["labels"][COMPONENT] == name for name, pod in scraped.items())
    assert service["metadata"]["labels"][COMPONENT] == "api"
    assert {each["spec"]["jobLabel"] for each in monitors.values()} == {COMPONENT}


@needs_kubectl
def test_all_is_scraped_as_often_as_without_kubernetes() -> None:
    text = (REPOSITORY / "infra" / "prometheus" / "prometheus.yml").read_text("utf-8")
    configured: Any = yaml.safe_load(text)["global"]
    monitors = of_kind(PRODUCTION, "ServiceMonitor", "PodMonitor").values()
    ways = [
        way
        for each in monitors
        for way in each["spec"].get("endpoints", each["spec"].get("podMetricsEndpoints"))
    ]

    assert {way["interval"] for way in ways} == {configured["scrape_interval"]}
    assert {way["scrapeTimeout"] for way in ways} == {configured["scrape_timeout"]}
    assert {way["path"] for way in ways} == {"/metrics"}


@needs_kubectl
def test_grafana_gets_every_dashboard() -> None:
    maps = [
        each["data"]
        for each in of_kind(PRODUCTION, "ConfigMap").values()
        if each["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    files = (REPOSITORY / "infra" / "grafana" / "dashboards").glob("*.json")

    assert {name: text for data in maps for name, text in data.items()} == {
        file.name: file.read_text("utf-8") for file in files
    }
    # What `kubectl apply` remembers of an object has 256 KiB.
    assert all(len(json.dumps(data)) < 256 << 10 for data in maps)


@needs_kubectl
def test_keda_scales_the_loaders_by_their_queues_down_to_none() -> None:
    scaled = of_kind(PRODUCTION, "ScaledObject")["loader"]["spec"]
    children = LoaderSettings.model_fields["loader_concurrency"].default
    loader = of_kind(PRODUCTION, "Deployment")[scaled["scaleTargetRef"]["name"]]

    assert "replicas" not in loader["spec"]  # else each apply would undo what KEDA did
    assert scaled["minReplicaCount"] == 0 < scaled["maxReplicaCount"]
    assert {trigger["type"] for trigger in scaled["triggers"]} == {"rabbitmq"}
    assert [trigger["metadata"] for trigger in scaled["triggers"]] == [
        {"protocol": "http", "queueName": queue, "mode": "QueueLength", "value": str(most)}
        for queue, most in zip(LOADER_QUEUES, (children - 1, children), strict=True)
    ]


@needs_kubectl
def test_keda_gets_rabbitmqs_address_from_a_secret_that_the_page_names() -> None:
    triggers = of_kind(PRODUCTION, "ScaledObject")["loader"]["spec"]["triggers"]
    [name] = {trigger["authenticationRef"]["name"] for trigger in triggers}
    named = of_kind(PRODUCTION, "TriggerAuthentication")[name]
    [reference] = named["spec"]["secretTargetRef"]
    page = (REPOSITORY / "docs" / "howto" / "kubernetes.md").read_text("utf-8")

    assert reference["parameter"] == "host"
    assert f"| `{reference['name']}` | `{reference['key']}` |" in page


def _expressions(rules: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for spec in rules.values():
        for rule in (rule for group in spec["groups"] for rule in group["rules"]):
            found.setdefault(rule.get("alert", rule.get("record")), []).append(rule["expr"])
    return found


def _write_rules(folder: Path) -> None:
    rules: list[Object] = [each["spec"] for each in of_kind(PRODUCTION, "PrometheusRule").values()]
    groups = [group for spec in rules for group in spec["groups"]]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))


def _promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [monitoring_program("promtool"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
