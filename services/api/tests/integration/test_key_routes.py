"""Administrators make and revoke keys through the api; nobody else does, and each is on record."""

import httpx
import pytest

from services.api.tests.integration.api_bench import Ledger, MakeKey, problem_of

NEW = {"name": "nightly feed", "owner": "prices", "scopes": ["read", "submit", "read"]}


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_made_used_listed_and_revoked(
    guarded: httpx.Client, make_key: MakeKey, ledger: Ledger
) -> None:
    admin = _bearer(make_key("admin"))
    answer = guarded.post("/v1/keys", json=NEW, headers=admin)
    made = answer.json()

    assert answer.status_code == 201
    assert (made["owner"], made["scopes"]) == ("prices", ["read", "submit"])
    assert guarded.get("/v1/jobs", headers=_bearer(made["key"])).status_code == 200
    listed = guarded.get("/v1/keys", headers=admin)
    assert made["key"].rpartition("_")[2] not in listed.text
    [shown] = [each for each in listed.json()["items"] if each["id"] == made["id"]]
    assert (shown["revoked_at"], shown["name"]) == (None, "nightly feed")

    revoked = guarded.post(f"/v1/keys/{made['id']}/revoke", headers=admin).json()
    again = guarded.post(f"/v1/keys/{made['id']}/revoke", headers=admin).json()

    assert revoked["revoked_at"] == again["revoked_at"] is not None
    refused = guarded.get("/v1/jobs", headers=_bearer(made["key"]))
    assert problem_of(refused)[:2] == (401, "key-unknown")
    actions = ledger.execute(
        "SELECT action FROM adsp.audit_log WHERE object = %s ORDER BY id", f"key/{made['id']}"
    )
    assert actions == [("key.create",), ("key.revoke",), ("key.revoke",)]


@pytest.mark.parametrize("scope", ["read", "submit"])
def test_only_administrators_see_and_make_keys(
    guarded: httpx.Client, make_key: MakeKey, scope: str
) -> None:
    headers = _bearer(make_key(scope))

    for answer in (
        guarded.get("/v1/keys", headers=headers),
        guarded.post("/v1/keys", json=NEW, headers=headers),
        guarded.post("/v1/keys/0123456789ab/revoke", headers=headers),
    ):
        assert problem_of(answer)[:2] == (403, "scope-missing")


@pytest.mark.parametrize(
    "changes", [{"scopes": []}, {"scopes": ["all"]}, {"name": ""}, {"owner": "a\0b"}, {"id": "x"}]
)
def test_a_key_that_cannot_be_is_refused(
    guarded: httpx.Client, make_key: MakeKey, changes: dict[str, object]
) -> None:
    answer = guarded.post("/v1/keys", json={**NEW, **changes}, headers=_bearer(make_key("admin")))

    assert problem_of(answer)[:2] == (422, "invalid-request")


def test_a_key_that_is_not_there_is_not_revoked(guarded: httpx.Client, make_key: MakeKey) -> None:
    answer = guarded.post("/v1/keys/0123456789ab/revoke", headers=_bearer(make_key("admin")))

    assert problem_of(answer)[:2] == (404, "key-not-found")
