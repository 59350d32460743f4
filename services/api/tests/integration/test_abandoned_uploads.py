"""Nothing is left for ever of an upload whose api was killed."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.common.ids import earliest_uuid7, uuid7
from libs.common.sources.upload_folders import upload_folder
from libs.devstack.testing.waiting import wait_for
from services.api.tests.integration.api_bench import SettingsWith, serving
from services.api.uploads.abandoned_uploads import ABANDONED_SECONDS, remove_abandoned
from services.api.uploads.upload_area import PART_SUFFIX

OLD = time.time() - ABANDONED_SECONDS - 60


def _age(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        os.utime(path, (OLD, OLD))


def _begin(area: Path, path: str | None = None) -> Path:
    """Leave an upload as an api leaves it that is killed, and return its folder."""
    folder = area / (path or upload_folder(uuid7()))
    folder.mkdir(parents=True)
    (folder / f".items.csv{PART_SUFFIX}").write_text("sku\n")
    return folder


@pytest.mark.parametrize("has_part", [True, False])
def test_an_old_part_of_an_upload_is_removed(upload_dir: Path, *, has_part: bool) -> None:
    folder = _begin(upload_dir)
    if not has_part:
        next(folder.iterdir()).unlink()
    _age(folder)

    assert remove_abandoned(upload_dir) == 1
    assert list(upload_dir.glob("*/*")) == []


def test_one_of_the_layout_without_days_is_removed(upload_dir: Path) -> None:
    _age(_begin(upload_dir, str(uuid7())))

    assert remove_abandoned(upload_dir) == 1
    assert list(upload_dir.iterdir()) == []


def test_later_looks_read_no_days_that_are_long_past(upload_dir: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=3)
    old, late = _begin(upload_dir, upload_folder(earliest_uuid7(long_ago))), _begin(upload_dir)
    _age(old)
    _age(late)

    removed = remove_abandoned(upload_dir, since=long_ago.date() + timedelta(days=1))

    assert (removed, old.exists(), late.exists()) == (1, True, False)


def test_an_upload_that_goes_on_is_left_alone(upload_dir: Path) -> None:
    """It may be another api's."""
    folder = _begin(upload_dir)
    os.utime(folder, (OLD, OLD))

    assert remove_abandoned(upload_dir) == 0
    assert list(folder.iterdir())


def test_whole_files_and_folders_of_people_stay(upload_dir: Path) -> None:
    whole = upload_dir / upload_folder(uuid7()) / "items.csv"
    theirs = upload_dir / "archive" / ".mine.part"
    for path in (whole, theirs):
        path.parent.mkdir(parents=True)
        path.write_text("sku\n")
        _age(path.parent)

    assert remove_abandoned(upload_dir) == 0
    assert whole.exists()
    assert theirs.exists()


def test_an_area_that_is_not_there_yet_holds_nothing(upload_dir: Path) -> None:
    assert remove_abandoned(upload_dir / "none") == 0


def test_a_starting_api_removes_what_is_abandoned(
    settings_with: SettingsWith, upload_dir: Path
) -> None:
    _age(_begin(upload_dir))

    with serving(settings_with()):
        wait_for(lambda: not list(upload_dir.glob("*/*")), 10, "the upload area is empty")

    assert list(upload_dir.glob("*/*")) == []
