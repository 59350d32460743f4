"""Who may ask for what: keys, their scopes, and the jobs of their owner."""

import asyncio
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from libs.common.ledger.api_keys import ApiKey
from libs.devstack.testing.waiting import wait_for
from services.api.app import Api, create_app
from services.api.middleware.authentication import OPEN_PATHS
from services.api.settings import ApiSettings
from services.api.tests.integration.api_bench import (
    ITEMS,
    Ledger,
    MakeKey,
    SettingsWith,
    problem_of,
    serving,
)

PAGE = {"Accept": "text/html"}


@pytest.fixture
def job(guarded: httpx.Client, make_key: MakeKey, root: Path) -> str:
    """Make a job with a key of the owner `prices`; return its id."""
    (root / "items-2026-01-02.csv").write_text("sku,name,category,price,quantity,updated_at\n")
    made = guarded.put("/v1/datasets/items", json=ITEMS, headers=_bearer(make_key("admin")))
    assert made.status_code == 201
    return str(_submit(guarded, make_key("submit")).json()["id"])


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _submit(client: httpx.Client, key: str, **headers: str) -> httpx.Response:
    body = {"dataset": "items", "data_date": "2026-01-02"}
    return client.post("/v1/jobs", json=body, headers={**_bearer(key), **headers})


def test_nothing_but_the_open_paths_answers_without_a_key(guarded: httpx.Client) -> None:
    """Paths that do not exist are no exception: who has no key learns nothing."""
    described = guarded.get("/openapi.json").json()["paths"]
    closed = {path for path in described if path not in OPEN_PATHS} | {"/", "/jobs/1", "/nothing"}

    for path in closed:
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = guarded.request(method, path)
            assert problem_of(answer)[:2] == (401, "key-missing")
            assert answer.headers["www-authenticate"] == 'Bearer realm="ADSP"'
    assert all(guarded.get(path).status_code == 200 for path in OPEN_PATHS)


def test_a_key_is_taken_from_either_header(guarded: httpx.Client, make_key: MakeKey) -> None:
    key = make_key("read")

    assert guarded.get("/v1/jobs", headers=_bearer(key)).status_code == 200
    assert guarded.get("/v1/jobs", headers={"X-API-Key": key}).status_code == 200


def test_a_page_is_read_with_the_key_as_password(guarded: httpx.Client, make_key: MakeKey) -> None:
    shown = guarded.get("/jobs", headers=PAGE, auth=("anyone", make_key("read")))

    assert shown.status_code == 200


def test_a_password_changes_nothing(guarded: httpx.Client, make_key: MakeKey) -> None:
    """A browser sends it along with the forms of other sites too."""
    answer = guarded.post("/trigger-job", auth=("anyone", make_key("admin")))

    assert problem_of(answer)[:2] == (401, "key-missing")


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
        lambda key: key[:5] + "0" * 12 + key[17:],
        lambda key: key + "0",
        lambda _key: "",
        lambda _key: "x" * 8000,
        lambda key: key.upper(),
    ],
)
def test_a_key_that_is_not_quite_right_is_refused(
    guarded: httpx.Client, make_key: MakeKey, change: Callable[[str], str]
) -> None:
    answer = guarded.get("/v1/jobs", headers={"X-API-Key": change(make_key("admin"))})

    assert problem_of(answer)[:2] == (401, "key-unknown")


@pytest.mark.parametrize("credentials", ["Basic", "Basic !!!", "Basic /w==", "Digest x", "Bearer"])
def test_odd_credentials_are_refused(guarded: httpx.Client, credentials: str) -> None:
    assert problem_of(guarded.get("/", headers={"Authorization": credentials}))[0] == 401


def test_a_revoked_key_is_refused_at_once(
    guarded: httpx.Client, make_key: MakeKey, ledger: Ledger
) -> None:
    key = make_key("read")
    before = guarded.get("/v1/jobs", headers=_bearer(key)).status_code
    ledger.execute("UPDATE adsp.api_keys SET revoked_at = now()")

    assert before == 200
    assert problem_of(guarded.get("/v1/jobs", headers=_bearer(key)))[:2] == (401, "key-unknown")


def test_the_use_of_a_key_is_noted(
    guarded: httpx.Client, make_key: MakeKey, ledger: Ledger
) -> None:
    key = make_key("read")
    first = ledger.value("SELECT last_used_at FROM adsp.api_keys")
    guarded.get("/v1/jobs", headers=_bearer(key))

    assert first is None
    assert ledger.value("SELECT last_used_at > now() - interval '1 minute' FROM adsp.api_keys")


def _answered(logged: Sequence[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    return [line for line in logged if line["event"] == "request_answered"]


def test_the_log_tells_the_key_and_its_owner_but_not_the_secret(
    guarded: httpx.Client, make_key: MakeKey
) -> None:
    key = make_key("read")
    with capture_logs() as logged:
        guarded.get("/v1/jobs", headers=_bearer(key))
        guarded.get("/v1/jobs")
        # A line is written when the answer is out.
        wait_for(lambda: len(_answered(logged)) == 2, 10, "both requests are in the log")
    known, unknown = _answered(logged)

    assert (known["key_id"], known["owner"]) == (key.split("_")[1], "prices")
    assert "key_id" not in unknown
    assert key.split("_")[2] not in str(logged)


def test_the_secret_is_nowhere_in_the_ledger(
    guarded: httpx.Client, make_key: MakeKey, ledger: Ledger
) -> None:
    secret = make_key("read").rpartition("_")[2]
    row = ledger.value("SELECT row_to_json(k)::text FROM adsp.api_keys AS k")

    assert secret not in row
    assert bytes.fromhex(secret).hex() not in row


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "/v1/jobs", {"read", "admin"}),
        ("GET", "/v1/datasets", {"read", "admin"}),
        ("GET", "/v1/datasets/items", {"read", "admin"}),
        ("GET", f"/v1/jobs/{uuid4()}", {"read", "admin"}),
        ("GET", f"/v1/jobs/{uuid4()}/failed-rows", {"read", "admin"}),
        ("GET", f"/v1/tasks/{uuid4()}", {"read", "admin"}),
        ("GET", "/jobs", {"read", "admin"}),
        ("GET", "/v1/audit", {"admin"}),
        ("GET", "/audit", {"admin"}),
        ("GET", f"/jobs/{uuid4()}", {"read", "admin"}),
        ("POST", "/v1/jobs", {"submit", "admin"}),
        ("POST", "/trigger-job", {"submit", "admin"}),
        ("POST", f"/v1/jobs/{uuid4()}/cancel", {"submit", "admin"}),
        ("POST", f"/v1/jobs/{uuid4()}/replay", {"submit", "admin"}),
        ("POST", "/v1/datasets/items/uploads", {"submit", "admin"}),
        ("PUT", "/v1/datasets/items", {"admin"}),
    ],
)
def test_each_route_needs_its_scope(
    guarded: httpx.Client, make_key: MakeKey, method: str, path: str, scopes: set[str]
) -> None:
    allowed = {
        scope
        for scope in ("read", "submit", "admin")
        if guarded.request(method, path, headers=_bearer(make_key(scope))).status_code != 403
    }

    assert allowed == scopes


def test_the_problem_names_the_missing_scope(guarded: httpx.Client, make_key: MakeKey) -> None:
    answer = guarded.put("/v1/datasets/items", json=ITEMS, headers=_bearer(make_key("submit")))
    status, code, detail = problem_of(answer)

    assert (status, code) == (403, "scope-missing")
    assert "'admin'" in detail


def test_a_job_is_seen_by_keys_of_its_owner_and_by_admin(
    guarded: httpx.Client, make_key: MakeKey, job: str, ledger: Ledger
) -> None:
    mine, others = make_key("read", "submit"), make_key("read", "submit", owner="stock")
    admin = make_key("admin", owner="operations")
    paths = [f"/v1/jobs/{job}", f"/v1/jobs/{job}/failed-rows", f"/v1/tasks/{job}", f"/jobs/{job}"]

    def statuses(key: str) -> set[int]:
        return {guarded.get(path, headers=_bearer(key)).status_code for path in paths}

    def listed(key: str) -> list[str]:
        return [
            made["id"] for made in guarded.get("/v1/jobs", headers=_bearer(key)).json()["items"]
        ]

    assert ledger.value("SELECT owner FROM adsp.jobs") == "prices"
    assert (statuses(mine), statuses(admin), statuses(others)) == ({200}, {200}, {404})
    assert (listed(mine), listed(admin), listed(others)) == ([job], [job], [])
    assert job not in guarded.get("/jobs", headers=_bearer(others)).text
    for what in ("cancel", "replay"):
        answer = guarded.post(f"/v1/jobs/{job}/{what}", headers=_bearer(others))
        assert problem_of(answer)[:2] == (404, "job-unknown")


def test_a_job_of_nobody_is_seen_by_admin_alone(
    guarded: httpx.Client, make_key: MakeKey, job: str, ledger: Ledger
) -> None:
    """As those of the schedule are."""
    ledger.execute("UPDATE adsp.jobs SET owner = NULL")
    statuses = [
        guarded.get(f"/v1/jobs/{job}", headers=_bearer(make_key(scope))).status_code
        for scope in ("read", "admin")
    ]

    assert statuses == [404, 200]


def test_two_owners_may_use_the_same_idempotency_key(
    guarded: httpx.Client, make_key: MakeKey, job: str
) -> None:
    mine, others = make_key("submit"), make_key("submit", owner="stock")
    first, again, other = (
        _submit(guarded, key, **{"Idempotency-Key": "today"}) for key in (mine, mine, others)
    )

    assert again.json()["id"] == first.json()["id"]
    assert other.status_code == 202
    assert other.json()["id"] != first.json()["id"]


def test_an_open_api_on_a_public_address_does_not_start(settings_with: SettingsWith) -> None:
    with pytest.raises(ValidationError, match="leave ADSP_AUTH on"):
        settings_with(auth=False, api_host="0.0.0.0")  # noqa: S104  # what is refused

    assert not settings_with(auth=False, api_host="::1").auth
    assert settings_with(auth=True, api_host="0.0.0.0").auth  # noqa: S104


def test_keys_are_asked_for_unless_that_is_turned_off_which_the_log_says_then(
    settings_with: SettingsWith,
) -> None:
    """One line at the start, saying how to fix it; an api that asks for keys has none to say."""
    logged = {}
    for auth in (True, False):
        with capture_logs() as lines:
            asyncio.run(_start_and_stop(create_app(settings_with(auth=auth))))
        logged[auth] = [line for line in lines if line["event"] == "auth_disabled"]

    assert ApiSettings.model_fields["auth"].default is True
    assert logged[True] == []
    assert [(line["log_level"], line["host"]) for line in logged[False]] == [
        ("warning", "127.0.0.1")
    ]
    assert "ADSP_AUTH=on" in logged[False][0]["cure"]


async def _start_and_stop(app: Api) -> None:
    async with app.router.lifespan_context(app):
        pass


def test_a_key_cannot_be_checked_while_the_database_is_away(settings_with: SettingsWith) -> None:
    nowhere = "postgresql+psycopg2://adsp_api@127.0.0.1:1/nowhere"
    with serving(settings_with(auth=True, database_url=nowhere)) as client:
        answer = client.get("/v1/jobs", headers=_bearer(ApiKey.make().text))

    assert problem_of(answer)[:2] == (503, "database-away")
    assert answer.headers["retry-after"]
