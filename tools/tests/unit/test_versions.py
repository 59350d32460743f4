"""One version: of the code, the changelog's newest release, and the images."""

from pathlib import Path

import pytest

from tools.checks.versions import other_versions

IMAGES = ("services/api/Dockerfile", "migrations/Dockerfile")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.0] - 2026\n\n## [1.1.0]\n")
    for name in IMAGES:
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_text("FROM x\nARG ADSP_VERSION=1.2.0\n")
    return tmp_path


def test_the_same_version_everywhere_is_right(root: Path) -> None:
    assert list(other_versions(root, "1.2.0")) == []


def test_each_place_with_another_version_or_none_is_named(root: Path) -> None:
    (root / IMAGES[0]).write_text("FROM x\n")

    found = list(other_versions(root, "1.3.0"))

    assert [line.partition(",")[0] for line in found] == [
        "CHANGELOG.md: 1.2.0",
        "migrations/Dockerfile: 1.2.0",
        "services/api/Dockerfile: no version",
    ]
