"""One version: of the code, the changelog's newest release, and the images."""

from pathlib import Path

import pytest

from tools.checks.versions import other_versions

IMAGE = "infra/Dockerfile"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.0] - 2026\n\n## [1.1.0]\n")
    file = tmp_path / IMAGE
    file.parent.mkdir(parents=True)
    file.write_text("FROM x\nARG ADSP_VERSION=1.2.0\n")
    return tmp_path


def test_the_same_version_everywhere_is_right(root: Path) -> None:
    assert list(other_versions(root, "1.2.0")) == []


def test_each_place_with_another_version_is_named(root: Path) -> None:
    found = list(other_versions(root, "1.3.0"))

    assert [line.partition(",")[0] for line in found] == [
        "CHANGELOG.md: 1.2.0",
        "infra/Dockerfile: 1.2.0",
    ]


def test_a_place_without_a_version_is_named(root: Path) -> None:
    (root / IMAGE).write_text("FROM x\n")

    found = list(other_versions(root, "1.2.0"))

    assert [line.partition(",")[0] for line in found] == ["infra/Dockerfile: no version"]
