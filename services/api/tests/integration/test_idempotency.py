from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from services.api.tests.integration.api_bench import Ledger, problem_of

BODY = {"dataset": "items", "data_date": "2026-01-02"}
KEY = {"Idempotency-Key": "nightly-2026-01-02"}
JOBS = "SELECT count(*) FROM adsp.jobs"


@pytest.mark.parametrize("path", ["/trigger-job", "/v1/jobs"])
def test_a_repeated_request_gets_the_same_job(
    client: httpx.Client, items: Path, ledger: Ledger, path: str
) -> None:
    first, second = (client.post(path, json=BODY, headers=KEY) for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json()
    assert second.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert ledger.value(JOBS) == 1


def test_a_repeated_request_is_answered_though_its_source_is_gone(
    client: httpx.Client, items: Path
) -> None:
    first = client.post("/v1/jobs", json=BODY, headers=KEY)
    items.unlink()

    assert client.post("/v1/jobs", json=BODY, headers=KEY).json() == first.json()


def test_the_same_body_written_in_another_way_is_the_same_request(
    client: httpx.Client, items: Path
) -> None:
    first = client.post("/v1/jobs", json=BODY, headers=KEY).json()
    explicit = {"force": False, "source": None, **dict(reversed(BODY.items()))}

    assert client.post("/v1/jobs", json=explicit, headers=KEY).json() == first


def test_another_body_with_the_same_key_is_refused(
    client: httpx.Client, items: Path, ledger: Ledger
) -> None:
    job = client.post("/v1/jobs", json=BODY, headers=KEY).json()["id"]
    answer = client.post("/v1/jobs", json={**BODY, "force": True}, headers=KEY)
    status, code, detail = problem_of(answer)

    assert (status, code) == (422, "idempotency-key-reused")
    assert job in detail
    assert "new key" in detail
    assert ledger.value(JOBS) == 1


def test_a_key_belongs_to_one_route(client: httpx.Client, items: Path, ledger: Ledger) -> None:
    for path in ("/trigger-job", "/v1/jobs"):
        client.post(path, json=BODY, headers=KEY).raise_for_status()

    assert ledger.value(JOBS) == 2


def test_a_refused_request_does_not_use_its_key_up(client: httpx.Client, items: Path) -> None:
    refused = client.post("/v1/jobs", json={**BODY, "data_date": "2027-01-01"}, headers=KEY)

    assert problem_of(refused)[:2] == (422, "source-missing")
    assert client.post("/v1/jobs", json=BODY, headers=KEY).status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "a b"])
@pytest.mark.parametrize("path", ["/trigger-job", "/v1/jobs", "/v1/datasets/items/uploads"])
def test_a_key_that_is_not_sane_is_refused(
    client: httpx.Client, items: Path, path: str, key: str
) -> None:
    answer = client.post(
        path, json=None if "uploads" in path else BODY, headers={"Idempotency-Key": key}
    )

    assert problem_of(answer)[:2] == (422, "idempotency-key-invalid")


def test_twenty_identical_requests_at_once_make_one_job(
    client: httpx.Client, items: Path, ledger: Ledger
) -> None:
    def trigger(_: int) -> httpx.Response:
        return client.post("/v1/jobs", json=BODY, headers=KEY, timeout=60)

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(trigger, range(20)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 19
    assert ledger.value(JOBS) == 1


def test_requests_without_a_key_each_make_a_job(
    client: httpx.Client, items: Path, ledger: Ledger
) -> None:
    """The loader then finds the content loaded: the second job becomes a duplicate."""
    for _ in range(2):
        client.post("/v1/jobs", json=BODY).raise_for_status()

    assert ledger.value(JOBS) == 2
