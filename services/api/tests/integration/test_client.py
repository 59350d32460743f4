"""The Python client against the api on the real servers."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from libs.client.client import Client
from libs.client.errors import Conflict, InvalidRequest, NotFound
from services.api.tests.integration.api_bench import SettingsWith, serving

DATA = b"sku,name,category,price,quantity,updated_at\n"


@pytest.fixture
def adsp(client: httpx.Client) -> Iterator[Client]:
    with Client(str(client.base_url), retry_seconds=0) as made:
        yield made


def test_datasets_are_made_shown_paused_and_deleted(adsp: Client) -> None:
    made = adsp.put_dataset("items", {"table": "public.items"})
    paused, resumed = adsp.pause_dataset("items"), adsp.resume_dataset("items")

    shown, listed = adsp.dataset("items"), list(adsp.datasets())
    adsp.delete_dataset("items")

    assert made.definition["table"] == "public.items"
    assert (paused.paused_at is None, resumed.paused_at) == (False, None)
    assert (shown, listed) == (resumed, [resumed])
    with pytest.raises(NotFound) as unknown:
        adsp.dataset("items")
    assert unknown.value.code == "dataset-unknown"


def test_what_is_shown_as_a_definition_may_be_put_again(adsp: Client) -> None:
    made = adsp.put_dataset("items", {"table": "public.items", "source": "items.csv"})

    again = adsp.put_dataset("items", made.definition)

    assert again == made


def test_a_file_is_loaded_and_its_job_listed_and_cancelled(
    adsp: Client, upload_dir: Path, tmp_path: Path
) -> None:
    adsp.put_dataset("items", {"table": "public.items"})
    path = tmp_path / "items.csv"
    path.write_bytes(DATA)
    sent: list[int] = []

    job = adsp.load("items", path, data_date="2026-01-02", on_progress=sent.append)

    assert (job.trigger, job.state, str(job.data_date)) == ("upload", "queued", "2026-01-02")
    assert Path(job.source).read_bytes() == DATA
    assert Path(job.source).is_relative_to(upload_dir)
    assert sent == [len(DATA)]
    assert [each.id for each in adsp.jobs(dataset="items", state="queued")] == [job.id]
    assert list(adsp.files(job.id)) == []
    assert adsp.cancel(job.id).state == "cancelled"
    with pytest.raises(Conflict):
        adsp.replay(job.id)


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(
    settings_with: SettingsWith, adsp: Client, tmp_path: Path
) -> None:
    adsp.put_dataset("items", {"table": "public.items"})
    path = tmp_path / "items.csv"
    path.write_bytes(DATA)
    with (
        serving(settings_with(max_upload_bytes=10)) as served,
        Client(str(served.base_url), retry_seconds=0) as client,
        pytest.raises(InvalidRequest) as refused,
    ):
        client.load("items", path)

    assert (refused.value.status, refused.value.code) == (413, "upload-too-large")


def test_fields_that_are_wrong_are_named(adsp: Client) -> None:
    with pytest.raises(InvalidRequest) as refused:
        adsp.put_dataset("items", {"table": "public.items", "mode": "sideways"})

    assert [error.location for error in refused.value.problem.errors] == ["body.mode"]


def test_failed_rows_are_none_of_a_job_that_has_none(adsp: Client, job: str) -> None:
    assert list(adsp.failed_rows(job)) == []
    assert adsp.export_failed_rows(job, io.BytesIO()) == 0
