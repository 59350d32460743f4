"""Files that clients send to the bucket themselves: whole, their own, within quota, and of each one job.

The server of S3 in these tests checks neither signatures nor whether they have expired; what is signed is checked here.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from libs.common.sources.stores import retries
from libs.common.sources.stores.connections import Connections
from libs.common.sources.upload_folders import upload_folder
from libs.devstack.testing.stores import Fault, ServedStore, s3_server
from services.api.tests.integration.api_bench import (
    Ledger,
    MakeKey,
    SettingsWith,
    problem_of,
    serving,
)

Serve = Callable[..., httpx.Client]
DATA = b"sku,name,category,price,quantity,updated_at\n"
PLACES = "/v1/uploads"
AWAY = {"kind": "s3", "bucket": "landing", "endpoint": "http://127.0.0.1:9", "region": "x"}


@pytest.fixture(scope="module")
def running() -> Iterator[ServedStore]:
    with s3_server() as served:
        yield served


@pytest.fixture
def store(running: ServedStore) -> ServedStore:
    """Return the bucket, without a fault."""
    running.faults.next.clear()
    return running


@pytest.fixture
def serve(
    settings_with: SettingsWith, store: ServedStore, client: httpx.Client, make_key: MakeKey
) -> Iterator[Serve]:
    """Return a function that serves an api with this bucket, to a client with a key of the owner `prices`."""
    client.put("/v1/datasets/items", json={"table": "public.items"}).raise_for_status()
    with ExitStack() as served:

        def make(**changes: Any) -> httpx.Client:
            bucket = {
                "connections": Connections.model_validate({"c": store.connection}),
                "upload_store": "s3://landing/sent/",
            }
            api = served.enter_context(serving(settings_with(auth=True, **{**bucket, **changes})))
            api.headers["X-API-Key"] = make_key("submit", "read")
            return api

        yield make


def announce(api: httpx.Client, size: int = len(DATA), **more: object) -> httpx.Response:
    """Ask for a place for a file."""
    return api.post(PLACES, json={"dataset": "items", "bytes": size, **more})


def put(announced: httpx.Response, data: bytes = DATA) -> str:
    """Send a file to its place and return the path that makes its job."""
    assert announced.status_code == 201, announced.text
    place = announced.json()
    sent = httpx.request(
        place["method"],
        place["url"],
        content=data,
        headers=place["headers"],
        trust_env=False,
    )
    assert sent.is_success
    return f"{PLACES}/{place['upload_id']}/job"


def key_of(url: str) -> str:
    """Return the key of a URL of the bucket."""
    return url.removeprefix("s3://landing/")


def test_a_file_is_announced_sent_to_the_bucket_and_loaded(
    serve: Serve, store: ServedStore, ledger: Ledger
) -> None:
    api, before = serve(), store.names()
    announced = announce(api, filename="../new items.csv")
    path = put(announced)
    answer = api.post(path, json={"data_date": "2026-01-02", "force": True})
    job = answer.json()

    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["trigger"], job["state"]) == ("upload", "queued")
    assert (job["data_date"], job["force"]) == ("2026-01-02", True)
    assert job["source"].startswith("s3://landing/sent/")
    assert job["source"].endswith("/new_items.csv")
    assert announced.json()["upload_id"] not in job["source"]
    assert store.names() - before == {key_of(job["source"])}
    assert ledger.execute("SELECT folder::text, owner, bytes FROM adsp.uploads") == [
        (job["source"].split("/")[-2], "prices", len(DATA))
    ]


def test_a_url_is_for_one_key_and_a_short_time_and_is_stored_nowhere(
    serve: Serve, ledger: Ledger
) -> None:
    api = serve(upload_url_seconds=60)
    start = datetime.now(UTC)
    with capture_logs() as logs:
        answer = announce(api, filename="items.csv")
    place = answer.json()
    url = urlsplit(place["url"])
    [signature] = parse_qs(url.query)["X-Amz-Signature"]
    audited = ledger.execute(
        "SELECT who, object, details::text FROM adsp.audit_log WHERE action = 'upload.announce'"
    )

    assert url.path == f"/landing/sent/{upload_folder(UUID(place['upload_id']))}/items.csv"
    assert parse_qs(url.query)["X-Amz-Expires"] == ["60"]
    expires = datetime.fromisoformat(place["expires_at"]) - start
    assert timedelta(seconds=59) < expires < timedelta(seconds=75)
    assert answer.headers["cache-control"] == "no-store"
    assert UUID(place["upload_id"]).version == 7
    [(who, thing, details)] = audited
    assert (who, thing) == ("prices", f"upload/{place['upload_id']}")
    kept = str(ledger.execute("SELECT * FROM adsp.direct_uploads")) + details + str(logs)
    assert place["upload_id"] in kept
    assert signature not in kept


@pytest.mark.parametrize(
    ("sent", "code"),
    [(None, "upload-missing"), (DATA[1:], "upload-incomplete"), (DATA + b"x", "upload-incomplete")],
    ids=["nothing", "less", "more"],
)
def test_a_file_that_is_not_there_as_announced_makes_no_job(
    serve: Serve, store: ServedStore, ledger: Ledger, sent: bytes | None, code: str
) -> None:
    api = serve()
    announced, before = announce(api), store.names()
    path = f"{PLACES}/{announced.json()['upload_id']}/job"
    if sent is not None:
        put(announced, sent)
    refused = api.post(path)
    left, jobs = store.names() - before, ledger.value("SELECT count(*) FROM adsp.jobs")
    put(announced)
    whole = api.post(path)

    assert problem_of(refused)[:2] == (409, code)
    assert (len(left), jobs) == (0 if sent is None else 1, 0)
    assert whole.status_code == 202


def test_what_is_sent_after_the_job_was_made_is_not_loaded(
    serve: Serve, store: ServedStore, ledger: Ledger
) -> None:
    """The URL can be used until it expires."""
    api = serve()
    announced = announce(api)
    path = put(announced)
    job = api.post(path).json()
    put(announced, b"x" * len(DATA))
    again = api.post(path)
    status, code, detail = problem_of(again)

    assert announced.json()["upload_id"] not in job["source"]
    assert key_of(job["source"]) in store.names()
    assert (status, code) == (409, "upload-used")
    assert job["id"] in detail
    assert ledger.value("SELECT count(*) FROM adsp.jobs") == 1


def test_a_repeated_request_gets_the_same_job_and_leaves_one_file(
    serve: Serve, store: ServedStore
) -> None:
    api, before = serve(max_stored_upload_bytes=len(DATA)), store.names()
    path = put(announce(api))
    headers = {"Idempotency-Key": "k"}
    first, second = (api.post(path, headers=headers) for _ in range(2))
    other = api.post(path, headers=headers, json={"force": True})

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert problem_of(other)[:2] == (422, "idempotency-key-reused")
    assert store.names() - before == {key_of(first.json()["source"])}


def test_another_owner_and_a_key_for_other_datasets_make_no_job(
    serve: Serve, make_key: MakeKey, ledger: Ledger
) -> None:
    api = serve()
    path = put(announce(api))
    keys = [
        make_key("admin", owner="ops"),
        make_key("submit:other"),
        make_key("read"),
    ]
    codes = [problem_of(api.post(path, headers={"X-API-Key": key}))[:2] for key in keys]
    body = {"dataset": "items", "bytes": 1}
    announced = [
        problem_of(api.post(PLACES, json=body, headers={"X-API-Key": key}))[:2] for key in keys[1:]
    ]
    unknown = api.post(f"{PLACES}/{UUID(int=0)}/job")

    assert codes == [(404, "upload-unknown"), (403, "scope-missing"), (403, "scope-missing")]
    assert announced == [(403, "scope-missing")] * 2
    assert problem_of(unknown)[:2] == (404, "upload-unknown")
    assert ledger.value("SELECT count(*) FROM adsp.jobs") == 0


def test_announced_files_count_for_their_owner(
    serve: Serve, make_key: MakeKey, ledger: Ledger
) -> None:
    api = serve(max_stored_upload_bytes=2 * len(DATA), max_unfinished_jobs=1)
    first, second, third = announce(api), announce(api), announce(api, 1)
    body = {"dataset": "items", "bytes": 1}
    other = api.post(PLACES, json=body, headers={"X-API-Key": make_key("submit", owner="b")})
    loaded, refused = api.post(put(first)), api.post(put(second))
    full = announce(api, 1)

    assert problem_of(third)[:2] == (403, "upload-quota-full")
    assert other.status_code == 201
    assert loaded.status_code == 202
    assert problem_of(refused)[:2] == problem_of(full)[:2] == (429, "too-many-jobs")
    assert ledger.value("SELECT sum(bytes) FROM adsp.uploads") == len(DATA)


def test_what_was_announced_has_its_room(serve: Serve, ledger: Ledger) -> None:
    """Announcements that come at once may go a little beyond; none of them is refused for it later."""
    announced = [announce(serve()) for _ in range(2)]
    api = serve(max_stored_upload_bytes=len(DATA))
    full, loaded = announce(api, 1), [api.post(put(each)).status_code for each in announced]

    assert problem_of(full)[:2] == (403, "upload-quota-full")
    assert loaded == [202, 202]
    assert ledger.value("SELECT sum(bytes) FROM adsp.uploads") == 2 * len(DATA)


@pytest.mark.parametrize("leads_there", [True, False], ids=["another store", "no connection"])
def test_what_was_announced_for_another_store_is_to_be_announced_again(
    serve: Serve, store: ServedStore, ledger: Ledger, *, leads_there: bool
) -> None:
    """Copies are made inside one store; the address of the old one may mean another now, or nothing."""
    path, before = put(announce(serve())), store.names()
    other = store.connection | {"bucket": "other"}
    connections = {"new": other} | ({"c": store.connection} if leads_there else {})
    moved = serve(
        connections=Connections.model_validate(connections), upload_store="s3://other/sent/"
    )
    status, code, detail = problem_of(moved.post(path))

    assert (status, code) == (409, "upload-missing")
    assert "announce it again" in detail
    assert store.names() == before
    assert ledger.value("SELECT count(*) FROM adsp.jobs") == 0


@pytest.mark.parametrize(
    ("changes", "body", "problem"),
    [
        ({"max_upload_bytes": 10}, {"bytes": 11}, (413, "upload-too-large")),
        ({}, {"bytes": (5_000 << 20) + 1}, (413, "upload-too-large")),
        ({}, {"bytes": 0}, (422, "invalid-request")),
        ({}, {"bytes": 1, "key": "a/b"}, (422, "invalid-request")),
        ({}, {"bytes": 1, "dataset": "nothing"}, (404, "dataset-unknown")),
        ({"upload_store": None}, {"bytes": 1}, (409, "direct-uploads-off")),
        ({"upload_store": "s3://other/"}, {"bytes": 1}, (503, "upload-area-unusable")),
    ],
)
def test_what_cannot_be_sent_is_refused_before(
    serve: Serve,
    ledger: Ledger,
    changes: dict[str, object],
    body: dict[str, object],
    problem: tuple[int, str],
) -> None:
    api = serve(**changes)
    answer = api.post(PLACES, json={"dataset": "items", **body})

    assert problem_of(answer)[:2] == problem
    assert ledger.value("SELECT count(*) FROM adsp.direct_uploads") == 0


def test_a_connection_that_cannot_sign_says_so(serve: Serve, ledger: Ledger) -> None:
    sas = {"kind": "az", "container": "sent", "account": "a", "sas_token": "sv=1&sig=s3cret"}
    api = serve(
        connections=Connections.model_validate({"c": sas}), upload_store="az://sent/uploads/"
    )
    status, code, detail = problem_of(announce(api))

    assert (status, code) == (422, "store-cannot-sign")
    assert "/v1/datasets/{name}/uploads" in detail
    assert "s3cret" not in detail
    assert ledger.value("SELECT count(*) FROM adsp.direct_uploads") == 0


@pytest.mark.parametrize(
    "faults",
    [[Fault.DENIED], [None, Fault.DENIED], [None, None, Fault.DENIED]],
    ids=["look", "copy", "look at the copy"],
)
def test_a_store_that_fails_makes_no_job_and_the_file_can_be_claimed_later(
    serve: Serve, store: ServedStore, ledger: Ledger, faults: list[Fault | None]
) -> None:
    api = serve()
    path, before = put(announce(api)), store.names()
    store.faults.next[:] = faults
    refused = api.post(path)
    jobs, left = ledger.value("SELECT count(*) FROM adsp.jobs"), store.names()
    later = api.post(path)

    assert problem_of(refused)[:2] == (503, "upload-area-unusable")
    assert (jobs, left, later.status_code) == (0, before, 202)


def test_a_store_that_is_away_is_a_problem(
    serve: Serve, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_WAITS", ())
    keys = {"access_key_id": "a", "secret_access_key": "b"}
    api = serve(connections=Connections.model_validate({"c": AWAY | keys}))
    place = announce(api)
    answer = api.post(f"{PLACES}/{place.json()['upload_id']}/job")

    assert place.status_code == 201
    assert problem_of(answer)[:2] == (503, "upload-area-unusable")


def test_of_claims_that_come_at_once_one_makes_a_job(
    serve: Serve, store: ServedStore, ledger: Ledger
) -> None:
    """Both have made their copy when the second one finds the upload used."""
    api, before = serve(), store.names()
    path = put(announce(api))
    with ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(lambda _: api.post(path), range(4))]
    made = [answer.json() for answer in answers if answer.status_code == 202]

    assert len(made) == 1
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert ledger.value("SELECT count(*) FROM adsp.jobs") == 1
    assert store.names() - before == {key_of(made[0]["source"])}
