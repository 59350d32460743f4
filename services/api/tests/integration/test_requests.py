"""What every request has in common: ids, forms of errors, limits."""

import json

import httpx
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from libs.devstack.testing.waiting import wait_for
from services.api.tests.integration.api_bench import Ledger, SettingsWith, problem_of, serving


def test_a_request_id_is_returned_and_stored_with_the_job(
    client: httpx.Client, items: object, ledger: Ledger
) -> None:
    answer = client.post(
        "/trigger-job", json={"data_date": "2026-01-02"}, headers={"X-Request-ID": "nightly-7"}
    )

    assert answer.headers["x-request-id"] == "nightly-7"
    assert ledger.value("SELECT request_id FROM adsp.jobs") == "nightly-7"


def test_a_request_is_logged_once_with_its_id_and_route(client: httpx.Client) -> None:
    with capture_logs([merge_contextvars]) as lines:
        client.get("/v1/jobs?page_size=7", headers={"X-Request-ID": "look-for-me"})
        wait_for(lambda: lines, 5, "a log line")

    [line] = lines
    assert line.pop("milliseconds") > 0
    assert line == {
        "event": "request_answered",
        "log_level": "info",
        "request_id": "look-for-me",
        "method": "GET",
        "route": "/v1/jobs",
        "path": "/v1/jobs",
        "status": 200,
    }


def test_a_request_without_an_id_gets_one(client: httpx.Client) -> None:
    ids = {client.get("/health").headers["x-request-id"] for _ in range(3)}

    assert len(ids) == 3


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/job", "/v1/jobs/x/y", "/v2/jobs"])
def test_an_unknown_path_is_a_problem(client: httpx.Client, path: str) -> None:
    assert problem_of(client.get(path))[:2] == (404, "path-unknown")


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(client: httpx.Client) -> None:
    answer = client.delete("/trigger-job")

    assert problem_of(answer)[:2] == (405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path", ["/trigger-job", "/v1/jobs"])
@pytest.mark.parametrize("body", ["{", "{'a': 1}", '{"dataset": }', "\x00"])
def test_a_body_that_is_not_json_is_a_problem(client: httpx.Client, path: str, body: str) -> None:
    status, code, detail = problem_of(client.post(path, content=body, headers=JSON))

    assert (status, code) == (400, "malformed-json")
    assert "character" in detail


@pytest.mark.parametrize("body", [b"\xff\xfe{", b"[" * 100_000])
def test_a_body_that_cannot_be_read_at_all_is_a_problem(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/jobs", content=body, headers=JSON)

    assert problem_of(answer)[:2] == (400, "malformed-request")


@pytest.mark.parametrize("path", ["/trigger-job", "/v1/jobs"])
@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_a_body_of_another_type_is_a_problem(
    client: httpx.Client, path: str, media_type: str
) -> None:
    answer = client.post(path, content='{"dataset": "items"}', headers={"Content-Type": media_type})
    status, code, detail = problem_of(answer)

    assert (status, code) == (415, "unsupported-media-type")
    assert "application/json" in detail


@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
def test_a_json_body_that_is_too_large_is_a_problem(
    settings_with: SettingsWith, *, is_chunked: bool
) -> None:
    body = json.dumps({"source": "x" * 2000}).encode()

    with serving(settings_with(max_body_bytes=1024)) as client:
        content = iter([body]) if is_chunked else body
        answer = client.post("/trigger-job", content=content, headers=JSON)

    assert problem_of(answer)[:2] == (413, "body-too-large")


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({}, "body.dataset"),
        ([], "body"),
        ("items", "body"),
        ({"dataset": "items", "extra": 1}, "body.extra"),
        ({"dataset": None}, "body.dataset"),
        ({"dataset": "No Name"}, "body.dataset"),
        ({"dataset": "items\n"}, "body.dataset"),
        ({"dataset": "items", "source": ""}, "body.source"),
        ({"dataset": "items", "source": "a\0b"}, "body.source"),
        ({"dataset": "items", "source": "x" * 5000}, "body.source"),
        ({"dataset": "items", "source": 5}, "body.source"),
        ({"dataset": "items", "data_date": "yesterday"}, "body.data_date"),
        ({"dataset": "items", "data_date": "2026-02-30"}, "body.data_date"),
        ({"dataset": "items", "force": "yes"}, "body.force"),
    ],
)
def test_a_wrong_job_request_names_the_field(
    client: httpx.Client, body: object, location: str
) -> None:
    answer = client.post("/v1/jobs", json=body)
    status, code, detail = problem_of(answer)

    assert (status, code) == (422, "invalid-request")
    assert [error["location"] for error in answer.json()["errors"]] == [location]
    assert detail.startswith(f"{location}: ")


def test_text_that_is_not_unicode_is_a_problem(client: httpx.Client) -> None:
    answer = client.post(
        "/v1/jobs", content=b'{"dataset": "items", "source": "\\ud800"}', headers=JSON
    )

    assert problem_of(answer)[:2] == (422, "invalid-request")


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/v1/jobs?state=done", "query.state"),
        ("/v1/jobs?dataste=items", "query.dataste"),
        ("/v1/jobs?dataset=A%00", "query.dataset"),
        ("/v1/jobs?page_size=0", "query.page_size"),
        ("/v1/jobs?page_size=501", "query.page_size"),
        ("/v1/jobs?data_date=1", "query.data_date"),
        ("/v1/jobs/1", "path.job_id"),
        ("/v1/jobs/1/failed-rows", "path.job_id"),
        ("/v1/datasets/A%00", "path.name"),
        ("/v1/datasets?state=x", "query.state"),
        ("/v1/tasks/1", "path.task_id"),
    ],
)
def test_a_wrong_parameter_is_named(client: httpx.Client, path: str, location: str) -> None:
    answer = client.get(path)

    assert problem_of(answer)[:2] == (422, "invalid-request")
    assert [error["location"] for error in answer.json()["errors"]] == [location]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/datasets"])
def test_a_page_token_from_elsewhere_is_refused(client: httpx.Client, path: str) -> None:
    status, code, detail = problem_of(client.get(path, params={"page_token": "WzEsIngiXQ"}))

    assert (status, code) == (422, "page-token-invalid")
    assert "first page" in detail
