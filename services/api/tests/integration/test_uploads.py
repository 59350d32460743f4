import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from libs.devstack.testing.waiting import wait_for
from services.api.tests.integration.api_bench import (
    ITEMS,
    Ledger,
    SettingsWith,
    problem_of,
    serving,
)

PATH = "/v1/datasets/items/uploads"
DATA = b"sku,name\n1,a\n"
KEY = {"Idempotency-Key": "upload-1"}


@pytest.fixture
def uploads(client: httpx.Client, upload_dir: Path) -> Path:
    """Make the dataset and return the empty upload area."""
    client.put("/v1/datasets/items", json={"table": "public.items"}).raise_for_status()
    return upload_dir


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_an_upload_is_stored_and_makes_a_job(client: httpx.Client, uploads: Path) -> None:
    answer = client.post(
        PATH,
        content=DATA,
        params={"filename": "../new items.csv", "data_date": "2026-01-02", "force": "true"},
    )
    job = answer.json()

    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["trigger"], job["state"]) == ("upload", "queued")
    assert (job["data_date"], job["force"]) == ("2026-01-02", True)
    assert [job["source"]] == [str(path) for path in _files(uploads)]
    assert Path(job["source"]).name == "new_items.csv"
    assert Path(job["source"]).read_bytes() == DATA


def test_an_upload_without_a_word_about_it_gets_a_name_and_todays_date(
    client: httpx.Client, uploads: Path
) -> None:
    job = client.post(PATH, content=DATA).json()

    assert Path(job["source"]).name == "upload.csv"
    assert job["force"] is False


def test_a_file_in_pieces_arrives_whole(client: httpx.Client, uploads: Path) -> None:
    pieces = [os.urandom(300_000) for _ in range(20)]
    job = client.post(PATH, content=iter(pieces)).json()

    assert Path(job["source"]).read_bytes() == b"".join(pieces)


@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
def test_a_file_beyond_the_cap_leaves_nothing(
    settings_with: SettingsWith, uploads: Path, *, is_chunked: bool
) -> None:
    body = b"x" * 1001

    with serving(settings_with(max_upload_bytes=1000)) as client:
        answer = client.post(PATH, content=iter([body]) if is_chunked else body)
        fits = client.post(PATH, content=body[1:])

    status, code, detail = problem_of(answer)
    assert (status, code) == (413, "upload-too-large")
    assert "1000 bytes" in detail
    assert fits.status_code == 202
    assert [path.stat().st_size for path in _files(uploads)] == [1000]


def test_an_upload_that_breaks_off_leaves_nothing(
    client: httpx.Client, uploads: Path, ledger: Ledger
) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n\r\n"
        raw.sendall(head.encode() + b"x" * 2_000_000)
        wait_for(lambda: _files(uploads), 10, "the upload has begun")
    wait_for(lambda: not list(uploads.glob("*/*")), 10, "the upload area is empty")

    assert ledger.value("SELECT count(*) FROM adsp.jobs") == 0


@pytest.mark.parametrize("content", [b"", iter([])], ids=["declared", "chunked"])
def test_an_empty_upload_is_refused(
    client: httpx.Client, uploads: Path, content: bytes | Iterator[bytes]
) -> None:
    status, code, detail = problem_of(client.post(PATH, content=content))

    assert (status, code) == (422, "source-empty")
    assert "bytes as the body" in detail
    assert list(uploads.glob("*/*")) == []


def test_an_upload_to_an_unknown_dataset_is_refused(client: httpx.Client, upload_dir: Path) -> None:
    answer = client.post("/v1/datasets/nothing/uploads", content=DATA)

    assert problem_of(answer)[:2] == (404, "dataset-unknown")
    assert list(upload_dir.glob("*/*")) == []


@pytest.mark.parametrize(
    "parameters", [{"data_date": "today"}, {"force": "maybe"}, {"file": "a.csv"}]
)
def test_a_wrong_parameter_is_refused(
    client: httpx.Client, uploads: Path, parameters: dict[str, str]
) -> None:
    answer = client.post(PATH, content=DATA, params=parameters)

    assert problem_of(answer)[:2] == (422, "invalid-request")
    assert list(uploads.glob("*/*")) == []


def test_a_repeated_upload_gets_the_same_job_and_keeps_one_file(
    client: httpx.Client, uploads: Path
) -> None:
    first, second = (client.post(PATH, content=DATA, headers=KEY) for _ in range(2))

    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert [str(path) for path in _files(uploads)] == [first.json()["source"]]


@pytest.mark.parametrize("changes", [{"content": b"other\n"}, {"params": {"force": "true"}}])
def test_another_upload_with_the_same_key_is_refused(
    client: httpx.Client, uploads: Path, changes: dict[str, object]
) -> None:
    first = client.post(PATH, content=DATA, headers=KEY)
    answer = client.request("POST", PATH, **{"content": DATA, "headers": KEY, **changes})  # type: ignore[arg-type]

    assert problem_of(answer)[:2] == (422, "idempotency-key-reused")
    assert [str(path) for path in _files(uploads)] == [first.json()["source"]]


def test_an_upload_area_that_cannot_be_written_is_a_problem(
    settings_with: SettingsWith, uploads: Path
) -> None:
    shut = uploads / "file"
    shut.write_text("a file where the folder should be")

    with serving(settings_with(upload_dir=shut)) as client:
        answer = client.post(PATH, content=DATA)

    assert problem_of(answer)[:2] == (503, "upload-area-unusable")


def test_an_upload_goes_where_no_pattern_of_a_dataset_looks(
    client: httpx.Client, uploads: Path
) -> None:
    """A half-written upload has a name that no glob matches."""
    client.put("/v1/datasets/any", json={**ITEMS, "source": "*/*.csv"}).raise_for_status()
    folder = uploads / "half"
    folder.mkdir()
    (folder / ".upload.csv.part").write_text("sku\n")
    answer = client.post("/v1/jobs", json={"dataset": "any"})

    assert problem_of(answer)[:2] == (422, "source-missing")
