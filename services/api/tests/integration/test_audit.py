"""Each change is on record with who made it and from where, by the transaction that makes it."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.api.tests.integration.api_bench import ITEMS, Ledger, MakeKey, problem_of

DAY = "2026-01-02"


@pytest.fixture
def admin(guarded: httpx.Client, make_key: MakeKey, root: Path) -> Iterator[httpx.Client]:
    """Return a client with the key of an administrator, and the file of a day."""
    (root / f"items-{DAY}.csv").write_text("sku,name,category,price,quantity,updated_at\n")
    headers = {"Authorization": f"Bearer {make_key('admin', owner='ops')}"}
    with httpx.Client(base_url=guarded.base_url, headers=headers, trust_env=False) as client:
        yield client


def _actions(client: httpx.Client, **asked: str) -> list[tuple[str, str]]:
    items = client.get("/v1/audit", params=asked).json()["items"]
    return [(entry["action"], entry["object"]) for entry in reversed(items)]


def test_every_change_is_on_record(admin: httpx.Client, ledger: Ledger, upload_dir: Path) -> None:
    dataset = "/v1/datasets/items"
    admin.put(dataset, json=ITEMS)
    admin.put(dataset, json=ITEMS)  # changes nothing, so that there is nothing to record
    admin.put(dataset, json={**ITEMS, "mode": "replace"}, params={"dry_run": True})
    admin.patch(dataset, json={"max_rejected_rows": 5})
    for _ in range(2):
        admin.post(f"{dataset}/pause")
    admin.post(f"{dataset}/resume")
    job = admin.post("/v1/jobs", json={"dataset": "items", "data_date": DAY}).json()["id"]
    for _ in range(2):
        admin.post(f"/v1/jobs/{job}/cancel")
    forced = admin.post("/v1/jobs", json={"dataset": "items", "data_date": DAY, "force": True})
    sent = admin.post(f"{dataset}/uploads", content=b"sku\n1\n", params={"data_date": DAY})
    days = admin.post(f"{dataset}/backfill", json={"from": DAY, "to": DAY}).json()["items"]
    others = [forced.json()["id"], sent.json()["id"], days[0]["job"]["id"]]
    for each in others:
        admin.post(f"/v1/jobs/{each}/cancel")
    admin.delete(dataset)

    assert _actions(admin) == [
        ("dataset.put", "dataset/items"),
        ("dataset.patch", "dataset/items"),
        ("dataset.pause", "dataset/items"),
        ("dataset.resume", "dataset/items"),
        ("job.trigger", f"job/{job}"),
        ("job.cancel", f"job/{job}"),
        ("job.force", f"job/{others[0]}"),
        ("job.trigger", f"job/{others[1]}"),
        ("job.trigger", f"job/{others[2]}"),
        *(("job.cancel", f"job/{each}") for each in others),
        ("dataset.delete", "dataset/items"),
    ]


def test_an_entry_says_who_from_where_and_by_which_request(
    admin: httpx.Client, ledger: Ledger
) -> None:
    admin.put("/v1/datasets/items", json=ITEMS, headers={"X-Request-ID": "the-request"})
    [entry] = admin.get("/v1/audit").json()["items"]

    assert (entry["who"], entry["address"], entry["request_id"]) == (
        "ops",
        "127.0.0.1",
        "the-request",
    )
    assert entry["key_id"] == ledger.value("SELECT id FROM adsp.api_keys")
    assert entry["details"] == {"version": 1}


def test_what_was_refused_or_repeated_is_no_change(admin: httpx.Client) -> None:
    key = {"Idempotency-Key": "once"}
    admin.put("/v1/datasets/items", json=ITEMS)
    body = {"dataset": "items", "data_date": DAY}
    jobs = {admin.post("/v1/jobs", json=body, headers=key).json()["id"] for _ in range(2)}
    admin.post("/v1/jobs", json={"dataset": "nothing"})
    admin.post(f"/v1/jobs/{uuid4()}/cancel")
    admin.put("/v1/datasets/items", json={"table": "public.nothing"})

    assert len(jobs) == 1
    assert [action for action, _ in _actions(admin)] == ["dataset.put", "job.trigger"]


def test_a_change_that_cannot_be_recorded_is_not_made(admin: httpx.Client, ledger: Ledger) -> None:
    ledger.execute("ALTER TABLE adsp.audit_log ADD CONSTRAINT no CHECK (false) NOT VALID")
    try:
        answer = admin.put("/v1/datasets/items", json=ITEMS)
    finally:
        ledger.execute("ALTER TABLE adsp.audit_log DROP CONSTRAINT no")

    assert answer.status_code == 500
    assert ledger.value("SELECT count(*) FROM adsp.datasets") == 0


def test_the_log_is_filtered_and_cut_into_pages(admin: httpx.Client) -> None:
    for name in ("a", "b", "c"):
        admin.put(f"/v1/datasets/{name}", json=ITEMS)
    first = admin.get("/v1/audit", params={"page_size": 2}).json()
    rest = admin.get(
        "/v1/audit", params={"page_size": 2, "page_token": first["next_page_token"]}
    ).json()
    at = first["items"][0]["at"]

    assert [entry["object"] for entry in first["items"] + rest["items"]] == [
        "dataset/c",
        "dataset/b",
        "dataset/a",
    ]
    assert _actions(admin, object="dataset/b") == [("dataset.put", "dataset/b")]
    assert _actions(admin, who="nobody") == []
    assert len(_actions(admin, action="dataset.put")) == 3
    assert _actions(admin, since="2100-01-01T00:00:00Z") == []
    assert len(_actions(admin, until=at)) in {2, 3}


def test_without_keys_it_was_anybody(client: httpx.Client) -> None:
    client.put("/v1/datasets/items", json=ITEMS)
    [entry] = client.get("/v1/audit").json()["items"]

    assert (entry["who"], entry["key_id"]) == ("anybody", None)


def test_the_page_shows_the_log(admin: httpx.Client) -> None:
    admin.put("/v1/datasets/items", json=ITEMS)
    page = admin.get("/audit", params={"action": "", "object": "dataset/items"})

    assert page.status_code == 200
    assert '<a href="/datasets/items">dataset/items</a>' in page.text
    assert "version 1" in page.text


@pytest.mark.parametrize("moment", ["0.5", "yesterday", "2026-11-27", "2026-11-27T06:00:00"])
def test_a_moment_is_written_out_with_its_zone(admin: httpx.Client, moment: str) -> None:
    assert problem_of(admin.get("/v1/audit", params={"until": moment}))[0] == 422
