"""Uploads lie below the day of their id, and only the days that are asked for are read."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from libs.common.ids import earliest_uuid7
from libs.common.sources.upload_folders import find_upload_folders, upload_folder

FIRST = datetime(2026, 3, 1, 23, 59, 59, 999_000, tzinfo=UTC)


def make(area: Path, moment: datetime) -> Path:
    """Make the folder of an upload of that moment."""
    folder = area / upload_folder(earliest_uuid7(moment))
    folder.mkdir(parents=True)
    return folder


def test_the_day_is_that_of_the_id_utc() -> None:
    late, early = (
        earliest_uuid7(FIRST + timedelta(milliseconds=milliseconds)) for milliseconds in (0, 1)
    )

    assert upload_folder(late) == f"2026-03-01/{late}"
    assert upload_folder(early) == f"2026-03-02/{early}"


def test_the_days_that_are_wanted_are_read(tmp_path: Path) -> None:
    first, second = make(tmp_path, FIRST), make(tmp_path, FIRST + timedelta(days=1))
    flat = tmp_path / str(earliest_uuid7(FIRST))
    flat.mkdir()
    asked = list[date]()

    def is_wanted(day: date) -> bool:
        asked.append(day)
        return day == FIRST.date()

    assert {*find_upload_folders(tmp_path, is_wanted)} == {first, flat}
    assert sorted(asked) == [FIRST.date(), FIRST.date(), FIRST.date() + timedelta(days=1)]
    assert second.exists()


def test_what_is_no_uploads_is_not_found(tmp_path: Path) -> None:
    """Folders and files of people, other UUIDs, and links, also to the folder of a day."""
    upload = make(tmp_path / "elsewhere", FIRST)
    day = tmp_path / "2026-03-01"
    for name in ("mine", str(uuid4())):
        (day / name).mkdir(parents=True)
        (tmp_path / name).mkdir()
    (day / str(earliest_uuid7(FIRST))).write_text("a file")
    (day / str(UUID(int=earliest_uuid7(FIRST).int + 1))).symlink_to(upload)
    (tmp_path / "2026-03-02").symlink_to(upload.parent)

    assert [*find_upload_folders(tmp_path, lambda _: True)] == []
