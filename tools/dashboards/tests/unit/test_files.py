"""The committed dashboards are what the code makes, and Grafana's own types hold all that they say."""

import json
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboards.files import FOLDER, differing, rendered, write


def test_making_the_dashboards_anew_changes_nothing() -> None:
    assert sorted(rendered()) == sorted(file.name for file in FOLDER.glob("*.json"))
    assert differing() == []


def test_what_is_missing_changed_or_too_much_is_named_and_fixed(tmp_path: Path) -> None:
    first, second, *_ = sorted(rendered())
    write(tmp_path)
    (tmp_path / first).unlink()
    (tmp_path / second).write_text("{}")
    (tmp_path / "old.json").write_text("{}")

    found = differing(tmp_path)
    changed = write(tmp_path)

    assert found == changed == sorted([first, second, "old.json"])
    assert differing(tmp_path) == []


@pytest.mark.parametrize("name", sorted(rendered()))
def test_grafanas_types_read_a_file_and_lose_nothing(name: str) -> None:
    register_default_plugins()
    text = (FOLDER / name).read_text()

    read = Dashboard.from_json(json.loads(text))

    assert json.loads(json.dumps(read, cls=JSONEncoder)) == json.loads(text)
