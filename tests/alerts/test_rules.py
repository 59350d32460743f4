"""Every alert is tested, explained, and fires when it should; Prometheus' own tools judge the files."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.common.messaging.names import WORK_QUEUES
from libs.devstack.binaries import missing_monitoring, monitoring_program
from tests.alerts.rules import (
    CASES,
    PROMETHEUS,
    REPOSITORY,
    RULES,
    RUNBOOKS,
    alert_names,
    alerts,
    read_rules,
    selectors,
)
from tests.alerts.watching import quick_rules

SECTIONS = ["Meaning", "Look here first", "Cure"]
SEVERITIES = {"critical", "warning", "none"}
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")

needs_promtool = pytest.mark.skipif(
    bool(missing_monitoring()), reason=f"not installed: {', '.join(missing_monitoring())}"
)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool and return what became of it."""
    return subprocess.run(
        [monitoring_program("promtool"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def case_of(alert: str) -> list[dict[str, Any]]:
    """Return the tests of an alert's file, whose `eval_time`s all ask for that alert."""
    tests = yaml.safe_load((CASES / f"{alert}.yml").read_text())["tests"]
    questions = [question for test in tests for question in test["alert_rule_test"]]
    assert {question["alertname"] for question in questions} == {alert}
    return questions


@needs_promtool
def test_prometheus_accepts_its_configuration_and_the_rules() -> None:
    checked = promtool("check", "config", PROMETHEUS / "prometheus.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("rules found") == len(list(RULES.glob("*.yml"))) > 0


@needs_promtool
def test_no_rule_is_there_twice_or_badly_written() -> None:
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted(RULES.glob("*.yml")))

    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
@pytest.mark.parametrize("alert", alert_names())
def test_the_alert_fires_when_it_should_and_is_silent_when_not(alert: str) -> None:
    tested = promtool("test", "rules", CASES / f"{alert}.yml")

    assert tested.returncode == 0, tested.stdout + tested.stderr


@needs_promtool
def test_a_wrong_expectation_fails(tmp_path: Path) -> None:
    """What shows that the tests above can fail."""
    text = (CASES / "DeadLetters.yml").read_text()
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        text.replace("../../../infra", str(REPOSITORY / "infra")).replace(
            "0 0 1+0x40", "0 0 0+0x40"
        )
    )

    assert "0 0 0+0x40" in wrong.read_text()
    assert promtool("test", "rules", wrong).returncode != 0


def test_every_alert_has_a_test_and_every_test_an_alert() -> None:
    assert sorted(file.stem for file in CASES.glob("*.yml")) == alert_names()


@pytest.mark.parametrize("alert", alert_names())
def test_the_tests_see_the_alert_fire_with_each_severity_and_be_silent(alert: str) -> None:
    questions = case_of(alert)
    fired = [each for question in questions for each in question["exp_alerts"]]
    silent = [question for question in questions if not question["exp_alerts"]]

    declared = {rule.labels["severity"] for rule in alerts() if rule.alert == alert}
    assert {each["exp_labels"]["severity"] for each in fired} == declared
    # The watchdog is never silent.
    assert bool(silent) == (alert != "Watchdog")


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert sorted(file.stem for file in RUNBOOKS.glob("*.md")) == alert_names()


@pytest.mark.parametrize("alert", alert_names())
def test_the_runbook_says_what_it_means_where_to_look_and_what_to_do(alert: str) -> None:
    text = (RUNBOOKS / f"{alert}.md").read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)

    assert sections[0].strip() == f"# {alert}"
    assert [section.partition("\n")[0] for section in sections[1:]] == SECTIONS
    assert all(section.partition("\n")[2].strip() for section in sections[1:])
    assert [link for link in _LINK.findall(text) if not (RUNBOOKS / link).exists()] == []


def test_every_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    for rule in alerts():
        assert rule.labels["severity"] in SEVERITIES
        assert set(rule.annotations) == {"summary", "description", "runbook_url"}
        assert rule.annotations["runbook_url"] == f"docs/runbooks/{rule.alert}.md"


def test_every_fault_that_is_proved_names_alerts_that_exist() -> None:
    """The table of docs/reliability.md says for each fault what an operator hears."""
    text = (REPOSITORY / "docs" / "reliability.md").read_text()
    table = text.partition("## What an operator sees and does")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    head, _, *faults = [[cell.strip() for cell in row] for row in rows]

    assert head == ["fault", "seen", "alert", "done"]
    assert len(faults) > 10
    for fault, _, alert, _ in faults:
        named = re.findall(r"\[(\w+)\]\(runbooks/(\w+)\.md\)", alert)
        assert named or alert.startswith("none"), fault
        assert all(shown == file and file in alert_names() for shown, file in named), fault


def test_the_live_proof_reads_the_same_rules_and_only_waits_less() -> None:
    def without_waiting(text: str) -> Any:
        groups = yaml.safe_load(text)["groups"]
        return [
            {key: value for key, value in rule.items() if key != "for"}
            for group in groups
            for rule in group["rules"]
        ]

    for name, quick in quick_rules().items():
        assert without_waiting(quick) == without_waiting((RULES / name).read_text())
        assert set(re.findall(r"for: (\w+)", quick)) <= {"0s"}


def test_what_is_recorded_is_read_by_an_alert() -> None:
    read = {each for rule in alerts() for each in selectors(rule.expression)}

    assert {rule.record for rule in read_rules() if rule.record} <= read


@pytest.mark.parametrize("alert", ["NoConsumers", "BacklogGrowing"])
def test_every_queue_of_work_is_watched(alert: str) -> None:
    expression = next(rule.expression for rule in alerts() if rule.alert == alert)
    watched = [set(names.split("|")) for names in re.findall(r'queue=~"([^"]+)"', expression)]

    assert watched
    assert all(names == set(WORK_QUEUES) for names in watched)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("vector(1)", []),
        ('up == 0 or absent(up{job="a b"})', ["up", 'up{job="a b"}']),
        (
            'sum by (job) (rate(x_total{s=~"5.."}[5m])) / on (job) y > 1.5e3',
            ['x_total{s=~"5.."}', "y"],
        ),
        ("a:b:rate5m > 14.4 * 0.005 unless max by (d) (z) > 0", ["a:b:rate5m", "z"]),
    ],
)
def test_an_expression_is_taken_apart(expression: str, found: list[str]) -> None:
    assert selectors(expression) == found
