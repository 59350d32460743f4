"""Watch a running system with the repository's own rules, only quicker: no `for`, no grouping, a scrape a second."""

import re
from pathlib import Path
from typing import Any

import httpx

from libs.devstack.addresses import StackAddresses
from libs.devstack.monitoring import MonitoringPlan
from libs.devstack.monitoring_addresses import MonitoringAddresses
from libs.devstack.prometheus import name_webhooks
from libs.devstack.scraping import Target
from tests.alerts.rules import ALERTMANAGER, RULES
from tests.alerts.webhook import Webhook

_FOR = re.compile(r"^( +for:) \w+$", re.MULTILINE)
_GROUPING = re.compile(r"^( +group_(?:wait|interval):) \w+$", re.MULTILINE)


def quick_rules() -> dict[str, str]:
    """Return the rules with the same expressions, of which an alert does not wait before it fires."""
    texts = {file.name: file.read_text() for file in RULES.glob("*.yml")}
    return {name: _FOR.sub(r"\1 0s", text) for name, text in texts.items()}


def quick_alertmanager(webhook: Webhook) -> str:
    """Return Alertmanager's configuration, which tells the webhook at once."""
    text = (ALERTMANAGER / "alertmanager.yml").read_text()
    urls = {
        "ADSP_ALERT_WEBHOOK_URL": f"{webhook.url}/operators",
        "ADSP_WATCHDOG_WEBHOOK_URL": f"{webhook.url}/watchdog",
    }
    return name_webhooks(_GROUPING.sub(r"\1 1s", text), urls)


def plan_watching(
    folder: Path, addresses: StackAddresses, database: str, services: dict[str, int], hook: Webhook
) -> MonitoringPlan:
    """Return how to watch services, each by the port of its metrics."""
    return MonitoringPlan(
        folder=folder / "monitoring",
        logs=folder / "logs",
        addresses=addresses,
        database=database,
        services=[Target(name, port) for name, port in services.items()],
        rules=quick_rules(),
        alertmanager=quick_alertmanager(hook),
        interval="1s",
        resend_delay="1s",
    )


def query(addresses: MonitoringAddresses, expression: str) -> list[dict[str, Any]]:
    """Return the series that an expression gives now."""
    answer = httpx.get(
        f"{addresses.prometheus_url}/api/v1/query", params={"query": expression}, timeout=10
    )
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found
