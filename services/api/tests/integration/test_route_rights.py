"""Every route asks for rights: what it refuses to a key for other datasets, it does for a key that has the right.

A route that answered 404 to everybody would pass a test that asks with one key alone.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from libs.common.sources.stores.connections import Connections
from libs.devstack.testing.stores import s3_server
from services.api.app import CONSOLE, NOUNS
from services.api.corrections.sheet import sheet_columns
from services.api.exports.csv_cells import write_line
from services.api.middleware.authentication import OPEN_PATHS
from services.api.tests.integration.api_bench import (
    ITEMS,
    Ledger,
    MakeKey,
    SettingsWith,
    serving,
)

LIMITED = ("read:mine", "submit:mi*e")
SOURCE = b"sku,name,category,price,quantity,updated_at\n"
SHEET = write_line(sheet_columns(SOURCE.decode().strip().split(","), ["a.csv"])).encode()
PLACE = 60
STREAM = "/v1/events"
"""It has no end; `test_rights.py` reads it."""

REFUSALS = {
    (403, "scope-missing"),
    (404, "job-unknown"),
    (404, "task-unknown"),
}
"""How a route says that a key lacks the right, or that nothing is there for it."""

NAMES_DATASET = {("POST", "/trigger-job"), ("POST", "/v1/jobs"), ("POST", "/v1/uploads")}
"""In their bodies."""

LISTS = {"/v1/jobs", "/v1/datasets", "/v1/overview", "/", "/jobs", "/datasets"}
"""They answer every key, with what it may see."""

FILES = {"/docs/{name}", "/static/{name}"}
"""Of the console and the description, open to everybody."""

NOT_NOW = {("POST", "/v1/jobs/{job_id}/cancel"): "job-ended"}
"""What an ended job is refused for to a key that has the right."""

Route = tuple[str, str]


@dataclass(frozen=True)
class Theirs:
    """A dataset, an ended job of it with a failed row, the draft that corrects that row, and a file that was sent."""

    dataset: str
    job: str
    version: int
    draft_version: str
    upload: str

    def path(self, template: str) -> str:
        """Return the path of a route for it."""
        action = "retry" if template.startswith("/jobs/") else "pause"
        names = {
            "name": self.dataset,
            "job_id": self.job,
            "task_id": self.job,
            "upload_id": self.upload,
            "place": PLACE,
            "version": 1,
            "key_id": "0" * 12,
            "action": action,
        }
        return template.replace(":int", "").format(**names)

    def request(self, method: str, template: str) -> dict[str, Any]:
        """Return what is sent to a route: what a key with the right is not refused for."""
        seen, days = (
            {"draft_version": self.draft_version},
            {"from": "2026-01-02", "to": "2026-01-02"},
        )
        rule = {"rule": {"kind": "trim"}, "cell": "name"}
        corrections = "/v1/jobs/{job_id}/corrections"
        sent: dict[Route, dict[str, Any]] = {
            ("POST", "/v1/jobs"): {"json": {"dataset": self.dataset, "data_date": "2026-01-02"}},
            ("POST", "/v1/uploads"): {"json": {"dataset": self.dataset, "bytes": 1}},
            ("POST", "/trigger-job"): {
                "json": {"dataset": self.dataset, "data_date": "2026-01-02"}
            },
            ("POST", "/v1/datasets/{name}/uploads"): {
                "content": SOURCE,
                "params": {"filename": "a.csv"},
            },
            ("POST", "/v1/datasets/{name}/backfill"): {"json": days},
            ("POST", "/datasets/{name}/load"): {"data": {"data_date": "2026-01-02"}},
            ("POST", "/datasets/{name}/backfill"): {"data": days},
            ("POST", "/datasets/{name}/edit"): {"data": {"table": "public.items"}},
            ("POST", "/datasets/{name}/edit/save"): {
                "data": {"definition": json.dumps(ITEMS), "etag": "*"}
            },
            ("PUT", "/v1/datasets/{name}"): {"json": ITEMS},
            ("PATCH", "/v1/datasets/{name}"): {"json": {"min_rows": 1}},
            ("PUT", f"{corrections}/{{place:int}}"): {
                "json": {"cells": {"name": "c"}, "version": self.version}
            },
            ("DELETE", f"{corrections}/{{place:int}}"): {"params": {"version": self.version}},
            ("PATCH", corrections): {"json": rule},
            ("POST", f"{corrections}.csv"): {"content": SHEET},
            ("DELETE", corrections): {"params": seen},
            ("GET", "/jobs/{job_id}/corrections/rule"): {"params": {"cell": "name"}},
            ("POST", "/jobs/{job_id}/corrections/rule"): {"data": {"cell": "name", **seen}},
            ("POST", "/jobs/{job_id}/corrections/clear"): {"data": seen},
            ("POST", "/jobs/{job_id}/failed-rows/{place}"): {
                "data": {"version": str(self.version)}
            },
        }
        is_form = method == "POST" and not template.startswith("/v1")
        return sent.get((method, template), {"data": {"a": "b"}} if is_form else {})


@pytest.fixture(scope="module")
def guarded(settings_with: SettingsWith) -> Iterator[httpx.Client]:
    """Serve an api that asks for keys and keeps uploads in a bucket."""
    with s3_server() as store:
        bucket = {
            "connections": Connections.model_validate({"c": store.connection}),
            "upload_store": "s3://landing/sent/",
        }
        with serving(settings_with(auth=True, **bucket)) as client:
            yield client


@pytest.fixture
def items_file(root: Path) -> Path:
    """Return the file that each dataset finds for the day that is asked for."""
    path = root / "items-2026-01-02.csv"
    path.write_bytes(SOURCE)
    return path


@pytest.fixture
def admin(make_key: MakeKey) -> dict[str, str]:
    """Return the headers of a key that may do all."""
    return _bearer(make_key("admin"))


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _make(
    client: httpx.Client, admin: dict[str, str], ledger: Ledger, path: Path, n: int
) -> Theirs:
    dataset = f"theirs-{n}"
    assert client.put(f"/v1/datasets/{dataset}", json=ITEMS, headers=admin).status_code == 201
    body = {"dataset": dataset, "data_date": "2026-01-02"}
    job = client.post("/v1/jobs", json=body, headers=admin).json()["id"]
    ledger.plan(job, path)
    ledger.add_failed_row(job, PLACE, b"1,a ,b,c,1,2026-01-01")
    ledger.execute(
        "UPDATE adsp.chunks SET state = 'done', finished_at = now() WHERE job_id = %s", job
    )
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(), rows_read = 1,"
        " rows_rejected = 1, rejected_by_code = '{\"type-error\": 1}' WHERE id = %s",
        job,
    )
    draft = f"/v1/jobs/{job}/corrections"
    written = client.put(f"{draft}/{PLACE}", json={"cells": {"price": "1"}}, headers=admin)
    assert written.status_code == 200, written.text
    version = client.get(draft, headers=admin).json()["draft_version"]
    sent = {"dataset": dataset, "bytes": len(SOURCE)}
    upload = client.post("/v1/uploads", json=sent, headers=admin).json()
    httpx.put(upload["url"], content=SOURCE, trust_env=False).raise_for_status()
    return Theirs(dataset, job, written.json()["version"], version, upload["upload_id"])


@pytest.mark.parametrize(("submit", "may_submit"), [("submit:mine", False), ("submit:th*", True)])
def test_pages_offer_what_may_be_done_to_what_they_show(
    guarded: httpx.Client,
    make_key: MakeKey,
    admin: dict[str, str],
    ledger: Ledger,
    items_file: Path,
    submit: str,
    *,
    may_submit: bool,
) -> None:
    """A right for another dataset offers nothing here."""
    theirs = _make(guarded, admin, ledger, items_file, 1)
    headers = _bearer(make_key("read", submit))
    offers = {
        "/datasets/{name}": "/load",
        "/jobs/{job_id}": "/replay",
        "/jobs/{job_id}/failed-rows": "/corrections/rule",
    }
    for template, offered in offers.items():
        page = guarded.get(theirs.path(template), headers=headers)
        assert page.status_code == 200
        assert (offered in page.text) == may_submit, template


def _routes() -> Iterator[Route]:
    """Return the method and the path of each route that asks for a key."""
    for route in (each for module in (*NOUNS, *CONSOLE) for each in module.router.routes):
        assert isinstance(route, APIRoute)
        if route.path not in OPEN_PATHS | FILES | {STREAM}:
            yield from ((method, route.path) for method in sorted(route.methods or ()))


def _outcome(answer: httpx.Response) -> tuple[int, str]:
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.status_code, answer.json()["code"] if is_problem else ""


def _is_about_theirs(route: Route) -> bool:
    names = ("{name}", "{job_id}", "{task_id}", "{upload_id}")
    return route in NAMES_DATASET or any(name in route[1] for name in names)


def _complaint(route: Route, refused: httpx.Response, done: httpx.Response) -> str | None:
    """Return what is wrong with the answers to the key without the right and to the one that has it."""
    is_about_theirs = _is_about_theirs(route)
    if refused.status_code < 400 and not is_about_theirs:
        return "shows what the key may not see" if "theirs" in refused.text else None
    if _outcome(refused) not in REFUSALS:
        return "is not refused for want of a right"
    is_done = done.status_code < 400 or _outcome(done) == (409, NOT_NOW.get(route))
    return None if is_done or not is_about_theirs else "is refused with the right, too"


def test_what_a_route_refuses_for_want_of_a_right_it_does_for_a_key_that_has_it(
    guarded: httpx.Client,
    make_key: MakeKey,
    admin: dict[str, str],
    ledger: Ledger,
    items_file: Path,
) -> None:
    wrong: list[tuple[object, ...]] = []
    lists: set[str] = set()
    for number, route in enumerate(_routes()):
        theirs = _make(guarded, admin, ledger, items_file, number)
        sent = {"method": route[0], "url": theirs.path(route[1]), **theirs.request(*route)}
        refused = guarded.request(headers=_bearer(make_key(*LIMITED)), **sent)
        done = guarded.request(headers=admin, **sent)
        if complaint := _complaint(route, refused, done):
            wrong.append((*route, complaint, _outcome(refused), _outcome(done)))
        if refused.status_code < 400 and "theirs" in done.text:
            lists.add(route[1])

    assert wrong == []
    assert lists == LISTS
