"""Say how the local stack is watched: by the repository's own rules and routes, at the ports of this machine."""

import os
from pathlib import Path

from libs.devstack.addresses import StackAddresses
from libs.devstack.monitoring import MonitoringPlan
from libs.devstack.prometheus import name_webhooks
from libs.devstack.scraping import Target
from tools.bootstrap.locations import ROOT
from tools.local_env.services import ServicePorts

PREFERRED_PROMETHEUS_PORT = 9090
WEBHOOK_VARIABLES = ("ADSP_ALERT_WEBHOOK_URL", "ADSP_WATCHDOG_WEBHOOK_URL")
"""Where Alertmanager sends alerts, and the sign of life; unset: nowhere."""
_INFRA = ROOT / "infra"


def plan_monitoring(
    data: Path, logs: Path, addresses: StackAddresses, ports: ServicePorts
) -> MonitoringPlan:
    """Return what watches a stack whose servers and services have these addresses."""
    return MonitoringPlan(
        folder=data / "monitoring",
        logs=logs,
        addresses=addresses,
        services=[Target(name, port) for name, port in ports.of_metrics().items()],
        rules=_rules(),
        alertmanager=name_webhooks(_alertmanager(), _webhooks()),
        preferred_port=PREFERRED_PROMETHEUS_PORT,
    )


def _rules() -> dict[str, str]:
    folder = _INFRA / "prometheus" / "rules"
    return {file.name: file.read_text() for file in sorted(folder.glob("*.yml"))}


def _alertmanager() -> str:
    return (_INFRA / "alertmanager" / "alertmanager.yml").read_text()


def _webhooks() -> dict[str, str]:
    return {name: os.environ[name] for name in WEBHOOK_VARIABLES if os.environ.get(name)}
