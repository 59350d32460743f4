from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.errors.problems import ProblemError
from services.api.uploads.upload_area import IncomingUpload, safe_filename, storage_faults


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("items.csv", "items.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\data\\items 1.csv", "items_1.csv"),
        (".bashrc", "bashrc"),
        ("[a]*?.csv", "_a_.csv"),
        ("..", "upload.csv"),
        ("", "upload.csv"),
        (None, "upload.csv"),
        ("x/", "x"),
        ("a\0b.csv", "a_b.csv"),
    ],
)
def test_a_filename_becomes_a_plain_one(given_name: str | None, safe: str) -> None:
    assert safe_filename(given_name) == safe


@given(st.text())
def test_every_filename_stays_in_its_folder_and_is_no_pattern(given_name: str) -> None:
    safe = safe_filename(given_name)

    assert Path(safe).name == safe
    assert 0 < len(safe) <= 100
    assert not set(safe) & set("*?[]/\\\0")
    assert not safe.startswith(".")


def test_the_long_name_of_a_file_keeps_its_suffix() -> None:
    assert safe_filename("x" * 300 + ".csv.gz").endswith("x.csv.gz")


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    upload = IncomingUpload.begin(tmp_path / "area", "a.csv", 100)
    upload.write(b"one\n")
    before = [path.name for path in tmp_path.rglob("*.csv*")]
    upload.write(b"two\n")
    stored = upload.keep()

    assert before == [".a.csv.part"]
    assert [path.name for path in tmp_path.rglob("*.csv*")] == ["a.csv"]
    assert stored.path.read_bytes() == b"one\ntwo\n"
    assert stored.size == 8


def test_a_discarded_upload_leaves_nothing(tmp_path: Path) -> None:
    upload = IncomingUpload.begin(tmp_path / "area", "a.csv", 100)
    upload.write(b"one\n")
    upload.discard()

    assert list((tmp_path / "area").glob("*/*")) == []


def test_a_file_beyond_the_cap_is_refused(tmp_path: Path) -> None:
    upload = IncomingUpload.begin(tmp_path, "a.csv", 5)
    upload.write(b"12345")

    with pytest.raises(ProblemError, match="more than 5 bytes") as refused:
        upload.write(b"6")
    upload.discard()
    assert (refused.value.status, refused.value.code) == (413, "upload-too-large")


def test_a_full_disk_is_reported_as_such(tmp_path: Path) -> None:
    with (
        pytest.raises(ProblemError, match="free some space") as refused,
        storage_faults(tmp_path),
        open("/dev/full", "wb", buffering=0) as full,  # noqa: PTH123  # the kernel's own full disk
    ):
        full.write(b"x")

    assert (refused.value.status, refused.value.code) == (507, "upload-area-full")


def test_an_area_that_cannot_be_written_is_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "area").write_text("a file where the folder should be")

    with pytest.raises(ProblemError, match="ADSP_UPLOAD_DIR") as refused:
        IncomingUpload.begin(tmp_path / "area", "a.csv", 5)
    assert (refused.value.status, refused.value.code) == (503, "upload-area-unusable")
    assert [path.name for path in tmp_path.iterdir()] == ["area"]
