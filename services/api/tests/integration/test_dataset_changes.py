"""A dataset is changed in part, by several people, and each definition that it had can be seen."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import httpx
import pytest
from pydantic import BaseModel

from libs.common.csv.dialect import FileFormat, FooterFormat, HeaderFormat
from libs.common.datasets.arrival import Arrival
from libs.common.datasets.conversions import Conversion
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.schedule import Schedule
from services.api.json_patch import JsonPatch
from services.api.routes.dataset_patch import JSON_PATCH, MERGE_PATCH, merge
from services.api.tests.integration.api_bench import ITEMS, Ledger, problem_of

URL = "/v1/datasets/items"
FULL = {
    **ITEMS,
    "format": {"delimiter": ";", "quote": "'"},
    "columns": {"Artikel": "sku", "Preis": "price"},
    "schedule": {"cron": "30 2 * * *", "time_zone": "Europe/Vienna", "catch_up": "latest"},
    "max_rejected_rows": 5,
}
REFUSED = """
UPDATE adsp.datasets SET definition = jsonb_set(definition, '{format,encoding}', '"mac_arabic"')
WHERE name = 'items'
"""


@pytest.fixture
def full(client: httpx.Client) -> dict[str, Any]:
    """Make the dataset and return what is shown of it."""
    made: dict[str, Any] = client.put(URL, json=FULL).raise_for_status().json()
    return made


def _patch(client: httpx.Client, patch: object, **headers: str) -> httpx.Response:
    return client.patch(URL, json=patch, headers={"Content-Type": MERGE_PATCH, **headers})


def _versions(client: httpx.Client) -> list[int]:
    items = client.get(f"{URL}/versions").raise_for_status().json()["items"]
    return [item["version"] for item in items]


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_means_what_rfc_7396_says(target: Any, patch: Any, merged: Any) -> None:
    """The cases of its appendix A."""
    assert merge(target, patch) == merged


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({}, {}),
        ({"max_rejected_rows": 9}, {"max_rejected_rows": 9}),
        ({"max_rejected_rows": None}, {"max_rejected_rows": None}),
        ({"mode": "upsert", "key": ["sku"]}, {"mode": "upsert", "key": ["sku"]}),
        ({"schedule": None}, {"schedule": None}),
        ({"format": {"delimiter": "|"}}, {"format": {"delimiter": "|", "quote": "'"}}),
        ({"columns": {"Preis": None}}, {"columns": {"Artikel": "sku"}}),
        (
            {"schedule": {"cron": "0 3 * * *"}},
            {"schedule": {**FULL["schedule"], "cron": "0 3 * * *"}},  # type: ignore[dict-item]
        ),
    ],
)
@pytest.mark.parametrize("media_type", [MERGE_PATCH, "application/json"])
def test_a_patch_changes_what_it_names_and_nothing_else(
    client: httpx.Client,
    full: dict[str, Any],
    patch: dict[str, Any],
    changed: dict[str, Any],
    media_type: str,
) -> None:
    answer = client.patch(URL, json=patch, headers={"Content-Type": media_type})

    shown = answer.json()
    assert answer.status_code == 200
    assert shown == client.get(URL).json()
    named = {"version", "updated_at", "format"} | changed.keys()
    assert all(shown[name] == full[name] for name in full.keys() - named)
    assert shown["format"] == full["format"] | changed.get("format", {})
    assert all(shown[name] == value for name, value in changed.items() if name != "format")
    assert shown["version"] == (2 if changed else 1)


def test_a_patched_schedule_counts_from_now_and_an_untouched_one_goes_on(
    client: httpx.Client, full: dict[str, Any], ledger: Ledger
) -> None:
    def due() -> Any:
        return ledger.value("SELECT last_due_at FROM adsp.datasets")

    first = due()
    _patch(client, {"max_rejected_rows": 7}).raise_for_status()
    assert due() == first
    _patch(client, {"schedule": {"cron": "0 4 * * *"}}).raise_for_status()
    assert due() > first


@pytest.mark.parametrize(
    ("patch", "location"),
    [
        ({"table": None}, "body.table"),
        ({"format": {"encoding": "utf-32"}}, "body.format.encoding"),
        ({"unknown": 1}, "body.unknown"),
        ({"name": "other"}, "body.name"),
        ({"mode": "upsert"}, "body"),
        ({"source": None}, "body"),
        ({"schedule": "daily"}, "body.schedule"),
        (["a"], "body"),
        ("a", "body"),
        (None, "body"),
    ],
)
def test_a_patch_is_checked_as_the_put_of_its_outcome_would_be(
    client: httpx.Client, full: dict[str, Any], patch: object, location: str
) -> None:
    answer = client.patch(URL, json=patch, headers={"Content-Type": MERGE_PATCH})

    assert problem_of(answer)[:2] == (422, "invalid-request")
    assert [error["location"] for error in answer.json()["errors"]] == [location]
    assert client.get(URL).json() == full


@pytest.mark.parametrize(("patch", "kind"), [("2", MERGE_PATCH), ({"op": "add"}, JSON_PATCH)])
def test_what_is_no_patch_is_refused_whatever_the_dataset_is_by_now(
    client: httpx.Client, full: dict[str, Any], patch: object, kind: str
) -> None:
    headers = {"Content-Type": kind, "If-Match": '"of-before"'}
    answer = client.patch(URL, json=patch, headers=headers)

    assert problem_of(answer)[:2] == (422, "invalid-request")


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"table": "public.nothing"}, "table-missing"),
        ({"columns": {"Preis": "prize"}}, "column-unknown"),
        ({"mode": "upsert", "key": ["name"]}, "key-not-unique"),
        ({"columns": {"a\0": "sku"}}, "value-not-storable"),
    ],
)
def test_a_patch_to_what_cannot_be_loaded_is_refused(
    client: httpx.Client, full: dict[str, Any], patch: dict[str, Any], code: str
) -> None:
    assert problem_of(_patch(client, patch))[:2] == (422, code)
    assert client.get(URL).json() == full


@pytest.mark.parametrize(
    "media_type", ["application/json-patch", "text/plain", "application/problem+json"]
)
def test_a_patch_of_another_kind_is_refused(
    client: httpx.Client, full: dict[str, Any], media_type: str
) -> None:
    answer = client.patch(URL, content="{}", headers={"Content-Type": media_type})

    assert problem_of(answer)[:2] == (415, "unsupported-media-type")


NULLS: list[tuple[str, Any]] = [
    ("/format/quote", None),
    ("/columns/Preis", None),
    ("/convert", {"name": {"map": {"?": None}}}),
    ("/max_rejected_rows", None),
    ("/schedule", None),
]


@pytest.mark.parametrize(("path", "value"), NULLS)
def test_null_is_a_value_in_a_json_patch(
    client: httpx.Client, full: dict[str, Any], path: str, value: Any
) -> None:
    """A merge patch gives the default instead: where null is a value of an option, it cannot be said there."""
    patch = [{"op": "add", "path": path, "value": value}]
    answer = client.patch(URL, json=patch, headers={"Content-Type": JSON_PATCH}).raise_for_status()

    expected = JsonPatch.model_validate({"operations": patch}).apply(full)
    shown = answer.json()
    assert shown == client.get(URL).json()
    for part in path.split("/")[1:]:
        shown, expected = shown[part], expected[part]
    assert _said(shown, expected) == expected
    assert answer.json()["version"] == 2


def _said(shown: Any, said: Any) -> Any:
    """Return of what is shown what was said, without defaults."""
    if isinstance(shown, dict) and isinstance(said, dict):
        return {name: _said(shown.get(name), each) for name, each in said.items()}
    return shown


def test_every_option_of_which_null_is_a_value_beside_its_default_is_known() -> None:
    """A merge patch reaches all others; a new one of these belongs into the test above, and into the docs."""
    forms = (
        FileFormat,
        HeaderFormat,
        FooterFormat,
        DatasetDefinition,
        Conversion,
        Arrival,
        Schedule,
    )
    found = {
        name
        for form in forms
        for name, field in form.model_fields.items()
        if not field.is_required()
        and field.get_default(call_default_factory=True) is not None
        and _takes_null(form, name)
    }

    assert found == {"quote"}


def _takes_null(form: type[BaseModel], name: str) -> bool:
    """Return whether null is of an option's own type."""
    return type(None) in get_args(form.model_fields[name].annotation)


@pytest.mark.parametrize(
    ("patch", "status", "code", "said"),
    [
        ([{"op": "test", "path": "/table", "value": "public.other"}], 422, "patch-not-possible", "another one"),
        ([{"op": "remove", "path": "/nothing"}], 422, "patch-not-possible", "no 'nothing'"),
        ([{"op": "add", "path": "/nothing", "value": 1}], 422, "invalid-request", "body.nothing"),
        ([{"op": "put", "path": "/table"}], 422, "invalid-request", "body.0.op"),
        ([{"op": "add", "path": "table", "value": 1}], 422, "invalid-request", "body.0.path"),
        ({"op": "add", "path": "/table", "value": 1}, 422, "invalid-request", "body"),
        ([{"op": "remove", "path": ""}], 422, "invalid-request", "body"),
    ],
)  # fmt: skip
def test_a_json_patch_that_cannot_be_done_changes_nothing(
    client: httpx.Client, full: dict[str, Any], patch: Any, status: int, code: str, said: str
) -> None:
    answer = client.patch(URL, json=patch, headers={"Content-Type": JSON_PATCH})

    assert problem_of(answer)[:2] == (status, code)
    assert said in answer.text
    assert client.get(URL).json() == full


def test_a_dataset_that_is_not_there_cannot_be_patched(client: httpx.Client) -> None:
    assert problem_of(_patch(client, {}))[:2] == (404, "dataset-unknown")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_change_of_what_was_changed_meanwhile_is_refused(
    client: httpx.Client, full: dict[str, Any], method: str
) -> None:
    """Whoever read the dataset before another one's change learns of it, and can go on from there."""
    bodies: dict[str, Any] = {
        "PUT": {"json": ITEMS},
        "PATCH": {"json": {"atomic": False}},
        "DELETE": {},
    }
    stale = client.get(URL).headers["etag"]
    changed = _patch(client, {"max_rejected_rows": 7}, **{"If-Match": stale}).raise_for_status()

    def again(tag: str) -> httpx.Response:
        return client.request(method, URL, headers={"If-Match": tag}, **bodies[method])

    assert problem_of(again(stale))[:2] == (412, "dataset-changed")
    assert problem_of(again("abc"))[:2] == (412, "dataset-changed")
    assert problem_of(again(f"W/{changed.headers['etag']}"))[:2] == (412, "dataset-changed")
    assert client.get(URL).json() == changed.json()
    assert again(f'"x", {changed.headers["etag"]}').is_success


def test_every_answer_names_the_state_that_it_shows(client: httpx.Client) -> None:
    answers = [
        client.put(URL, json=FULL),
        client.put(URL, json=FULL),
        client.get(URL),
        client.post(f"{URL}/pause"),
        client.get(URL),
        client.post(f"{URL}/resume"),
        _patch(client, {"max_rejected_rows": 7}),
        client.put(URL, json=FULL),
    ]
    first, again, shown, paused, seen, resumed, patched, back = [
        answer.raise_for_status().headers["etag"] for answer in answers
    ]

    assert first == again == shown == resumed
    assert paused == seen
    assert len({first, paused, patched, back}) == 4


def test_if_match_asks_for_a_dataset_that_is_there(client: httpx.Client) -> None:
    absent = client.put(URL, json=FULL, headers={"If-Match": "*"})
    made = client.put(URL, json=FULL)
    present = client.put(URL, json=ITEMS, headers={"If-Match": "*"})

    assert problem_of(absent)[:2] == (412, "dataset-changed")
    assert (made.status_code, present.status_code) == (201, 200)


def test_of_changes_at_once_with_one_etag_one_goes_through(
    client: httpx.Client, full: dict[str, Any]
) -> None:
    tag = client.get(URL).headers["etag"]

    def change(number: int) -> int:
        return _patch(client, {"max_rejected_rows": number}, **{"If-Match": tag}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(change, range(10, 18)))

    assert statuses == [200] + [412] * 7
    assert _versions(client) == [2, 1]


def test_each_change_of_a_definition_is_a_version(
    client: httpx.Client, full: dict[str, Any]
) -> None:
    _patch(client, {"max_rejected_rows": 7}).raise_for_status()
    _patch(client, {"max_rejected_rows": 7}).raise_for_status()
    client.post(f"{URL}/pause").raise_for_status()
    client.put(URL, json=FULL).raise_for_status()
    client.put(URL, json=FULL).raise_for_status()

    page = client.get(f"{URL}/versions", params={"page_size": 2}).json()
    token = page["next_page_token"]
    rest = client.get(f"{URL}/versions", params={"page_size": 2, "page_token": token}).json()
    numbers = [item["version"] for item in (*page["items"], *rest["items"])]
    assert numbers == [3, 2, 1]
    assert rest["next_page_token"] is None
    limits = [item["definition"]["max_rejected_rows"] for item in (*page["items"], *rest["items"])]
    assert limits == [5, 7, 5]
    assert client.get(f"{URL}/versions/2").json() == page["items"][1]
    assert client.get(URL).json()["version"] == 3


def test_a_version_can_be_put_again(client: httpx.Client, full: dict[str, Any]) -> None:
    client.put(URL, json=ITEMS).raise_for_status()
    first = client.get(f"{URL}/versions/1").json()["definition"]
    back = client.put(URL, json=first).raise_for_status().json()

    assert back["version"] == 3
    assert all(back[name] == full[name] for name in first)


def test_versions_that_are_not_there_are_problems(
    client: httpx.Client, full: dict[str, Any]
) -> None:
    assert problem_of(client.get(f"{URL}/versions/2"))[:2] == (404, "version-unknown")
    assert problem_of(client.get(f"{URL}/versions/0"))[:2] == (422, "invalid-request")
    assert problem_of(client.get("/v1/datasets/other/versions"))[:2] == (404, "dataset-unknown")
    assert problem_of(client.get("/v1/datasets/other/versions/1"))[:2] == (404, "dataset-unknown")


def test_a_job_names_the_version_that_it_loads_by(client: httpx.Client, job: str) -> None:
    client.put(URL, json={**ITEMS, "max_rejected_rows": 3}).raise_for_status()
    later = client.post("/v1/jobs", json={"dataset": "items", "data_date": "2026-01-02"}).json()

    assert client.get(f"/v1/jobs/{job}").json()["definition_version"] == 1
    assert later["definition_version"] == 2


def test_a_change_past_the_api_is_a_version_too(
    client: httpx.Client, full: dict[str, Any], ledger: Ledger
) -> None:
    ledger.execute("UPDATE adsp.datasets SET definition = definition || '{\"atomic\": false}'")

    assert _versions(client) == [2, 1]
    assert client.get(URL).json()["version"] == 2


def test_a_definition_that_is_refused_by_now_is_shown_with_the_reason(
    client: httpx.Client, full: dict[str, Any], ledger: Ledger
) -> None:
    """It was stored before the rule; it hides no other dataset."""
    client.put("/v1/datasets/zebra", json=ITEMS).raise_for_status()
    ledger.execute(REFUSED)

    shown = client.get(URL)
    listed = client.get("/v1/datasets").json()["items"]
    assert shown.status_code == 200
    assert shown.json()["format"]["encoding"] == "mac_arabic"
    assert "format.encoding: encoding 'mac_arabic' is not supported" in shown.json()["refused"]
    assert shown.json()["table"] == "public.items"
    assert listed[0] == shown.json()
    assert listed[1]["name"] == "zebra"
    assert "refused" not in listed[1]


def test_a_definition_that_is_refused_by_now_is_fixed_by_put_and_patch_and_can_be_deleted(
    client: httpx.Client, full: dict[str, Any], ledger: Ledger
) -> None:
    def refused_tag() -> str:
        ledger.execute(REFUSED)
        return str(client.get(URL).headers["etag"])

    put = client.put(URL, json=FULL, headers={"If-Match": refused_tag()})
    tag = refused_tag()
    patched = _patch(client, {"format": {"encoding": "latin-1"}}, **{"If-Match": tag})
    refused_tag()
    unmended = _patch(client, {"max_rejected_rows": 1})
    paused = client.post(f"{URL}/pause")
    deleted = client.delete(URL, headers={"If-Match": paused.headers["etag"]})

    assert put.status_code == 200
    assert patched.json()["format"]["encoding"] == "iso8859-1"
    assert patched.json()["max_rejected_rows"] == 5
    assert problem_of(unmended)[:2] == (422, "invalid-request")
    assert paused.json()["refused"]
    assert deleted.status_code == 204


def test_a_job_of_a_definition_that_is_refused_by_now_is_a_problem_with_the_cure(
    client: httpx.Client, job: str, ledger: Ledger
) -> None:
    ledger.execute(REFUSED)
    status, code, detail = problem_of(client.post("/v1/jobs", json={"dataset": "items"}))

    assert (status, code) == (422, "definition-refused")
    assert "PATCH or PUT /v1/datasets/items" in detail


def test_failed_rows_under_a_definition_that_is_refused_by_now_can_be_read(
    client: httpx.Client, job: str, ledger: Ledger
) -> None:
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', rows_read = 1, rows_rejected = 1, finished_at = now(),"
        """ definition = jsonb_set(definition, '{format,encoding}', '"mac_arabic"')"""
    )
    ledger.execute(
        "INSERT INTO adsp.chunks (job_id, number, byte_start, first_line, state) VALUES (%s, 0, 0, 1, 'done')",
        job,
    )
    ledger.add_failed_row(job, 10, b"a,b")
    rows = client.get(f"/v1/jobs/{job}/failed-rows")
    export = client.get(f"/v1/jobs/{job}/failed-rows?format=csv")
    replay = client.post(f"/v1/jobs/{job}/replay")

    assert [row["raw"] for row in rows.json()["items"]] == ["a,b"]
    assert problem_of(export)[:2] == (422, "definition-refused")
    assert problem_of(replay)[:2] == (422, "definition-refused")
    assert client.get(f"/jobs/{job}").status_code == 200
