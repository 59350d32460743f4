"""No owner takes all that the owners share: unfinished jobs, the upload area, the ledger's room for failed rows."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from libs.common.ledger.api_keys import ApiKey
from services.api.tests.integration.api_bench import (
    Ledger,
    SettingsWith,
    problem_of,
    serving,
)

Serve = Callable[..., httpx.Client]
FILE = b"sku,name,category,price,quantity,updated_at\n"
JOB = {"dataset": "items", "data_date": "2026-01-02"}
UPLOAD = "/v1/datasets/items/uploads"


@pytest.fixture
def serve(
    settings_with: SettingsWith, items: Path, upload_dir: Path, ledger: Ledger
) -> Iterator[Serve]:
    """Return a function that serves an api with these limits, to a client with a key of the owner `a`."""
    with ExitStack() as served:

        def make(**limits: int) -> httpx.Client:
            client = served.enter_context(serving(settings_with(auth=True, **limits)))
            client.headers["X-API-Key"] = _make_key(ledger, "a")
            return client

        yield make


def _make_key(ledger: Ledger, owner: str) -> str:
    key = ApiKey.make()
    ledger.execute(
        "INSERT INTO adsp.api_keys (id, name, owner, scopes, digest)"
        " VALUES (%s, 'a', %s, '{submit,read}', %s)",
        key.id,
        owner,
        key.digest,
    )
    return key.text


def _end_all(ledger: Ledger, rejected: int = 0) -> None:
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(),"
        " rows_read = %s, rows_rejected = %s WHERE finished_at IS NULL",
        rejected,
        rejected,
    )


def test_an_owner_has_so_many_unfinished_jobs_and_others_theirs(
    serve: Serve, ledger: Ledger
) -> None:
    client = serve(max_unfinished_jobs=2)
    statuses = [client.post("/v1/jobs", json=JOB).status_code for _ in range(2)]
    refused = client.post("/v1/jobs", json=JOB)
    upload = client.post(UPLOAD, content=FILE)
    other = client.post("/v1/jobs", json=JOB, headers={"X-API-Key": _make_key(ledger, "b")})
    _end_all(ledger)
    later = client.post("/v1/jobs", json=JOB)

    assert statuses == [202, 202]
    assert problem_of(refused)[:2] == problem_of(upload)[:2] == (429, "too-many-jobs")
    assert int(refused.headers["retry-after"]) > 0
    assert (other.status_code, later.status_code) == (202, 202)


def test_the_files_of_an_owner_take_so_many_bytes(
    serve: Serve, upload_dir: Path, ledger: Ledger
) -> None:
    client = serve(max_stored_upload_bytes=3 * len(FILE))
    statuses = [client.post(UPLOAD, content=FILE).status_code for _ in range(2)]
    large = client.post(UPLOAD, content=FILE * 2)
    last = client.post(UPLOAD, content=FILE)
    refused = client.post(UPLOAD, content=FILE)
    other = client.post(UPLOAD, content=FILE, headers={"X-API-Key": _make_key(ledger, "b")})

    assert [*statuses, last.status_code, other.status_code] == [202] * 4
    assert problem_of(large)[:2] == problem_of(refused)[:2] == (403, "upload-quota-full")
    assert len(list(upload_dir.rglob("*.csv"))) == 4


def test_an_upload_that_took_the_last_room_is_answered_again(serve: Serve) -> None:
    """Its answer may have been lost on the way."""
    client = serve(max_stored_upload_bytes=len(FILE), max_unfinished_jobs=1)
    headers = {"Idempotency-Key": "k"}
    first, again = (client.post(UPLOAD, content=FILE, headers=headers) for _ in range(2))

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()


def test_an_owner_adds_so_many_failed_rows_in_a_day(serve: Serve, ledger: Ledger) -> None:
    client = serve(max_failed_rows_a_day=100)
    client.post("/v1/jobs", json=JOB).raise_for_status()
    _end_all(ledger, rejected=99)
    second = client.post("/v1/jobs", json=JOB)
    _end_all(ledger, rejected=1)
    refused = client.post("/v1/jobs", json=JOB)
    upload = client.post(UPLOAD, content=FILE)

    assert second.status_code == 202
    assert problem_of(refused)[:2] == problem_of(upload)[:2] == (429, "too-many-failed-rows")


def test_equal_replays_count_once(serve: Serve, ledger: Ledger, items: Path) -> None:
    client = serve()
    job = client.post("/v1/jobs", json=JOB).json()["id"]
    ledger.plan(job, items)
    ledger.add_failed_row(job, 60, b"2,b,c,cheap,1,2026-01-01")
    ledger.execute("UPDATE adsp.jobs SET header = '{sku,name,category,price,quantity,updated_at}'")
    ledger.execute("UPDATE adsp.chunks SET state = 'done'")
    _end_all(ledger, rejected=1)
    replays = [client.post(f"/v1/jobs/{job}/replay") for _ in range(3)]

    assert [replay.status_code for replay in replays] == [202] * 3
    [size] = [path.stat().st_size for path in {Path(each.json()["source"]) for each in replays}]
    assert ledger.execute("SELECT owner, bytes FROM adsp.uploads") == [("a", size)]


def test_without_keys_and_without_limits_nothing_is_refused(
    client: httpx.Client, serve: Serve, ledger: Ledger
) -> None:
    unbounded = serve(max_unfinished_jobs=0, max_stored_upload_bytes=0, max_failed_rows_a_day=0)

    for each in (client, unbounded):
        assert {each.post(UPLOAD, content=FILE).status_code for _ in range(3)} == {202}
    assert ledger.value("SELECT count(*) FROM adsp.uploads") == 3
