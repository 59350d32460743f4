"""Grafana finds in the compose stack what the dashboards rely on: the source, the files, the runbooks."""

from pathlib import Path
from typing import Any

import yaml

from tools.dashboards.files import FOLDER
from tools.dashboards.links import RUNBOOKS
from tools.dashboards.panels import PROMETHEUS

ROOT = Path(__file__).parents[4]
PROVISIONING = FOLDER.parent / "provisioning"
PUBLIC = "/usr/share/grafana"


def _mounts() -> dict[str, Path]:
    """Return what Grafana's container sees at which path."""
    compose: Any = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    volumes = [volume.split(":") for volume in compose["services"]["grafana"]["volumes"]]
    return {inside: ROOT / outside for outside, inside, *_ in volumes}


def test_the_source_knows_how_often_is_scraped() -> None:
    """Grafana makes $__rate_interval of it."""
    text = (PROVISIONING / "datasources" / "prometheus.yml").read_text()
    [source] = yaml.safe_load(text)["datasources"]
    scraped = yaml.safe_load((ROOT / "infra" / "prometheus" / "prometheus.yml").read_text())

    assert source["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]


def test_the_source_of_the_panels_is_made() -> None:
    [source] = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]

    assert (source["type"], source["uid"]) == (PROMETHEUS.type_val, PROMETHEUS.uid)


def test_the_dashboards_are_read_from_where_they_are_mounted() -> None:
    [provider] = yaml.safe_load((PROVISIONING / "dashboards" / "adsp.yml").read_text())["providers"]

    assert _mounts()[provider["options"]["path"]] == FOLDER
    assert _mounts()["/etc/grafana/provisioning"] == PROVISIONING
    assert not provider["allowUiUpdates"]


def test_the_runbooks_are_mounted_where_the_links_lead() -> None:
    assert _mounts()[f"{PUBLIC}{RUNBOOKS}"] == ROOT / "docs" / "runbooks"
