"""A key for some datasets neither sees nor starts anything of others, whatever route it takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from services.api.app import create_app
from services.api.middleware.authentication import OPEN_PATHS
from services.api.tests.integration.api_bench import (
    ITEMS,
    Ledger,
    MakeKey,
    SettingsWith,
    problem_of,
)
from services.api.tests.integration.test_overview import add_job

RIGHTS = ("read:mine", "submit:mi*e")
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/jobs": {"json": {"dataset": "theirs"}},
    "POST /trigger-job": {"json": {"dataset": "theirs"}},
    "POST /v1/datasets/{name}/uploads": {"content": b"sku\n1\n"},
    "POST /v1/datasets/{name}/backfill": {"json": {"from": "2026-01-01", "to": "2026-01-02"}},
    "POST /v1/inspect": {"content": b"sku\n1\n"},
    "PUT /v1/jobs/{job_id}/corrections/{place}": {"json": {"cells": {"sku": "1"}}},
    "POST /v1/jobs/{job_id}/corrections/rule": {
        "json": {"rule": {"kind": "trim"}, "column": "sku"}
    },
}
"""What is sent where the body is checked before the rights are."""
PLACES = {"version": "1", "place": "0", "key_id": "0" * 12, "asset": "app.css"}
STREAM = "/v1/events"


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def their_job(guarded: httpx.Client, make_key: MakeKey, ledger: Ledger, root: Path) -> str:
    """Make two datasets, with a job of the owner of all keys in each; return that of `theirs`."""
    admin = _bearer(make_key("admin"))
    for name in ("mine", "theirs"):
        assert guarded.put(f"/v1/datasets/{name}", json=ITEMS, headers=admin).status_code == 201
    add_job(ledger, "running", dataset="mine", owner="prices")
    return add_job(ledger, "running", dataset="theirs", owner="prices")


def _requests(settings_with: SettingsWith, job: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Return each route with its method, its path for the dataset `theirs` or its job, and what is sent."""
    found = []
    for route in create_app(settings_with()).routes:
        if not isinstance(route, APIRoute) or route.path in OPEN_PATHS | {STREAM}:
            continue
        is_job = "/jobs/" in route.path
        names = {**PLACES, "name": "theirs", "job_id": job, "task_id": job}
        names["action"] = "cancel" if is_job else "pause"
        for method in sorted(route.methods or ()):
            sent = BODIES.get(f"{method} {route.path}", {} if method == "GET" else {"data": {}})
            found.append((route.path, method, route.path.format(**names), sent))
    return found


def test_no_route_shows_or_starts_anything_of_another_dataset(
    guarded: httpx.Client, make_key: MakeKey, settings_with: SettingsWith, their_job: str
) -> None:
    headers = _bearer(make_key(*RIGHTS))
    wrong = []
    for route, method, path, sent in _requests(settings_with, their_job):
        answer = guarded.request(method, path, headers=headers, **sent)
        is_refused = answer.status_code in {403, 404}
        is_about_theirs = "{name}" in route or "{job_id}" in route or "{task_id}" in route
        shows = "theirs" in answer.text or their_job in answer.text
        if not is_refused and (is_about_theirs or shows or answer.status_code >= 400):
            wrong.append(f"{method} {route}: {answer.status_code}")

    assert wrong == []


@pytest.mark.parametrize(
    ("rights", "sees", "may_submit"),
    [
        (RIGHTS, {"mine"}, True),
        (("read", "submit:mine"), {"mine", "theirs"}, True),
        (("read:*", "submit:theirs"), {"mine", "theirs"}, False),
        (("read:m*", "read:theirs"), {"mine", "theirs"}, False),
        (("read:nothing", "submit"), set(), True),
        (("admin",), {"mine", "theirs"}, True),
    ],
)
def test_a_key_sees_and_starts_what_its_rights_are_for(
    guarded: httpx.Client,
    make_key: MakeKey,
    their_job: str,
    root: Path,
    rights: tuple[str, ...],
    sees: set[str],
    *,
    may_submit: bool,
) -> None:
    headers = _bearer(make_key(*rights))
    (root / "items-2026-01-02.csv").write_text("sku,name,category,price,quantity,updated_at\n")

    def listed(path: str, name: Callable[[dict[str, Any]], str]) -> set[str]:
        return set(map(name, guarded.get(path, headers=headers).json()["items"]))

    assert listed("/v1/jobs", lambda job: str(job["dataset"])) == sees
    assert listed("/v1/datasets", lambda dataset: str(dataset["name"])) == sees
    overview = guarded.get("/v1/overview", headers=headers).json()
    assert {row["dataset"] for row in overview["items"]} == sees
    assert {job["dataset"] for job in overview["running"]} == sees
    body = {"dataset": "mine", "data_date": "2026-01-02"}
    made = guarded.post("/v1/jobs", json=body, headers=headers)
    assert made.status_code == (202 if may_submit else 403)
    if not may_submit:
        status, code, detail = problem_of(made)
        assert (status, code) == (403, "scope-missing")
        assert "'submit" in detail


def test_what_may_be_read_may_not_be_cancelled(
    guarded: httpx.Client, make_key: MakeKey, their_job: str
) -> None:
    headers = _bearer(make_key("read", "submit:mine"))

    assert guarded.get(f"/v1/jobs/{their_job}", headers=headers).status_code == 200
    refused = guarded.post(f"/v1/jobs/{their_job}/cancel", headers=headers)
    assert problem_of(refused)[:2] == (404, "job-unknown")
    assert "/cancel" not in guarded.get(f"/jobs/{their_job}", headers=headers).text
    assert "/load" not in guarded.get("/datasets/theirs", headers=headers).text


def test_a_stream_tells_of_the_datasets_that_may_be_read(
    guarded: httpx.Client, make_key: MakeKey, their_job: str
) -> None:
    headers = _bearer(make_key(*RIGHTS))
    with guarded.stream("GET", STREAM, headers=headers, timeout=20) as stream:
        lines: list[str] = []
        for line in stream.iter_lines():
            lines.append(line)
            if "mine" in line:
                break

    assert not any("theirs" in line for line in lines)


@pytest.mark.parametrize("right", ["admin:mine", "read:", "read:A", "read:a b", "write:mine", "x"])
def test_a_right_that_cannot_be_is_refused(
    guarded: httpx.Client, make_key: MakeKey, right: str
) -> None:
    new = {"name": "feed", "owner": "prices", "scopes": [right]}
    answer = guarded.post("/v1/keys", json=new, headers=_bearer(make_key("admin")))

    assert problem_of(answer)[:2] == (422, "invalid-request")
