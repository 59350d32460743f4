"""Alertmanager's configuration is valid as it stands and with webhooks, and each alert goes where it should."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from libs.devstack.binaries import missing_monitoring
from libs.devstack.errors import StackError
from libs.devstack.prometheus import name_webhooks
from libs.devstack.scraping import QUEUE_FAMILIES, scrape_configuration
from tests.alerts.rules import ALERTMANAGER, PROMETHEUS, alert_names
from tools.local_env.monitoring import WEBHOOK_VARIABLES

CONFIGURATION = ALERTMANAGER / "alertmanager.yml"
URL = "https://alarm.example/hook?team=a&b=c|d"

needs_amtool = pytest.mark.skipif(
    bool(missing_monitoring()), reason=f"not installed: {', '.join(missing_monitoring())}"
)


def amtool(*arguments: str | Path) -> str:
    """Run amtool and return what it says; fail when it fails."""
    asked = subprocess.run(
        ["amtool", *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    assert asked.returncode == 0, asked.stdout + asked.stderr
    return asked.stdout


def receivers(text: str) -> dict[str, list[dict[str, str]]]:
    """Return the webhooks of each receiver of a configuration."""
    return {each["name"]: each["webhook_configs"] for each in yaml.safe_load(text)["receivers"]}


@needs_amtool
def test_alertmanager_accepts_the_configuration_as_it_stands() -> None:
    amtool("check-config", CONFIGURATION)

    assert receivers(CONFIGURATION.read_text()) == {"operators": [], "watchdog": []}


@needs_amtool
@pytest.mark.parametrize("alert", alert_names())
def test_an_alert_goes_to_its_receiver(alert: str) -> None:
    found = amtool(
        "config", "routes", "test", f"--config.file={CONFIGURATION}", f"alertname={alert}"
    )

    assert found.strip() == ("watchdog" if alert == "Watchdog" else "operators")


@needs_amtool
def test_the_container_and_the_local_stack_name_the_same_webhooks(tmp_path: Path) -> None:
    """The script is run with its two folders in another place and a stand-in for Alertmanager."""
    program = tmp_path / "alertmanager"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    script = (ALERTMANAGER / "start.sh").read_text()
    script = script.replace("/etc/alertmanager/", f"{ALERTMANAGER}/")
    script = script.replace("=/alertmanager/", f"={tmp_path}/")
    urls = dict.fromkeys(WEBHOOK_VARIABLES, URL)

    said = subprocess.run(
        ["/bin/sh", "-c", script, "start.sh", "--storage.path=/x"],
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", **urls},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    written = tmp_path / "alertmanager.yml"
    assert said.stdout.split() == [f"--config.file={written}", "--storage.path=/x"]
    amtool("check-config", written)
    named = {"operators": [{"url": URL}], "watchdog": [{"url": URL}]}
    assert receivers(written.read_text()) == named
    assert receivers(name_webhooks(CONFIGURATION.read_text(), urls)) == named


def test_a_webhook_that_has_no_place_is_refused() -> None:
    with pytest.raises(StackError, match="ADSP_OTHER"):
        name_webhooks(CONFIGURATION.read_text(), {"ADSP_OTHER": URL})


def test_prometheus_asks_for_the_same_queues_with_and_without_docker() -> None:
    compose = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in compose["scrape_configs"]}
    here = yaml.safe_load(scrape_configuration([]))

    assert jobs["rabbitmq-detailed"]["params"] == {"family": list(QUEUE_FAMILIES)}
    assert here["rule_files"] == compose["rule_files"]
    assert here["global"].keys() - compose["global"].keys() == set()
