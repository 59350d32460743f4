"""One version: of the code, the changelog's newest release, the command and the images."""

from pathlib import Path

import pytest

from tools.checks.versions import other_versions

IMAGE = "infra/Dockerfile"
PLACES = {
    "CHANGELOG.md": "## [Unreleased]\n\n## [1.2.0] - 2026\n\n## [1.1.0]\n",
    "services/cli/version.py": 'VERSION = "1.2.0"\n',
    "BUILD": 'python_artifact(\n    version="1.2.0",\n)\n',
    IMAGE: "FROM x\nARG ADSP_VERSION=1.2.0\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in PLACES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_the_same_version_everywhere_is_right(root: Path) -> None:
    assert list(other_versions(root, "1.2.0")) == []


def test_each_place_with_another_version_is_named(root: Path) -> None:
    found = list(other_versions(root, "1.3.0"))

    assert [line.partition(",")[0] for line in found] == [f"{name}: 1.2.0" for name in PLACES]


def test_a_place_without_a_version_is_named(root: Path) -> None:
    (root / IMAGE).write_text("FROM x\n")

    found = list(other_versions(root, "1.2.0"))

    assert [line.partition(",")[0] for line in found] == ["infra/Dockerfile: no version"]
