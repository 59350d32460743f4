"""Write the dashboards as the files that Grafana reads, and tell which of them are not as the code makes them."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from tools import generated_files
from tools.dashboards.daily_loads import daily_loads
from tools.dashboards.pipeline import pipeline
from tools.dashboards.service_health import service_health

FOLDER = Path(__file__).parents[2] / "infra" / "grafana" / "dashboards"


def all_dashboards() -> list[models.Dashboard]:
    """Make every dashboard."""
    return [daily_loads(), pipeline(), service_health()]


def rendered() -> dict[str, str]:
    """Return each file's text by its name."""
    return {
        f"{made.uid}.json": json.dumps(made, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
        for made in all_dashboards()
    }


def differing(folder: Path = FOLDER) -> list[str]:
    """Name the files of a folder that the code makes otherwise, or does not make at all."""
    return [file.name for file in generated_files.differing(_texts(folder), folder.glob("*.json"))]


def write(folder: Path = FOLDER) -> list[str]:
    """Make the folder's files as the code says, and name those that changed."""
    return [file.name for file in generated_files.write(_texts(folder), folder.glob("*.json"))]


def _texts(folder: Path) -> dict[Path, str]:
    return {folder / name: text for name, text in rendered().items()}
