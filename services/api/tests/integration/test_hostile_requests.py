"""Requests that no honest client sends: each is refused as what it is, none is a fault of the api."""

import base64
import json
from pathlib import Path

import httpx
import pytest

from services.api.pagination import write_token
from services.api.tests.integration.api_bench import ITEMS, Ledger, problem_of

JSON = {"Content-Type": "application/json"}


def _forge(token: str, key: str) -> str:
    """Put another key, written in JSON, into a token."""
    _, digest = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return base64.urlsafe_b64encode(f'[{key}, "{digest}"]'.encode()).decode().rstrip("=")


@pytest.mark.parametrize("key", ["Infinity", "NaN", "null", "[1]", "{}", '"x"', '"\\ud800"'])
def test_a_forged_page_token_is_refused(client: httpx.Client, job: str, key: str) -> None:
    token = _forge(write_token(1, "failed-rows", job, None, None, None), key)
    answer = client.get(f"/v1/jobs/{job}/failed-rows", params={"page_token": token})

    assert problem_of(answer)[:2] == (422, "page-token-invalid")


def test_a_forged_page_token_beyond_every_file_finds_nothing(
    client: httpx.Client, job: str
) -> None:
    token = _forge(write_token(1, "failed-rows", job, None, None, None), "1" + "0" * 30)
    answer = client.get(f"/v1/jobs/{job}/failed-rows", params={"page_token": token})

    assert answer.json() == {"items": [], "next_page_token": None}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "rebound.example"},
        {"Host": "rebound.example:8000"},
        {"Host": "127.0.0.1.elsewhere.example"},
        {"Host": "[::1"},
    ],
)
def test_without_keys_pages_of_other_sites_start_nothing(
    client: httpx.Client, items: Path, ledger: Ledger, headers: dict[str, str]
) -> None:
    body = {"dataset": "items", "source": items.name}
    answer = client.post("/v1/jobs", json=body, headers=headers)

    assert problem_of(answer)[:2] == (403, "origin-not-allowed")
    assert ledger.value("SELECT count(*) FROM adsp.jobs") == 0


def test_without_keys_the_apis_own_page_and_programs_are_answered(
    client: httpx.Client, items: Path
) -> None:
    body = {"dataset": "items", "source": items.name}
    host = client.base_url.netloc.decode()
    own = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    answers = [client.post("/v1/jobs", json=body, headers=headers) for headers in ({}, own)]
    foreign_read = client.get("/v1/jobs", headers={"Host": "rebound.example"})

    assert [answer.status_code for answer in answers] == [202, 202]
    assert foreign_read.status_code == 403


def test_a_body_full_of_errors_gets_an_answer_of_a_sane_size(client: httpx.Client) -> None:
    answer = client.post("/v1/jobs", json={f"field{n}": n for n in range(20_000)})

    assert problem_of(answer)[:2] == (422, "invalid-request")
    assert len(answer.json()["errors"]) == 20
    assert len(answer.content) < 10_000


@pytest.mark.parametrize(
    "body",
    [
        b'{"table": "public.items", "source": "\\u0000"}',
        b'{"table": "public.items", "columns": {"\\u0000": "sku"}}',
        b'{"table": "public.items", "max_rejected_rows": 1e400}',
        b'{"table": "public.items", "max_rejected_ratio": NaN}',
        b'{"table": "public.items", "format": {"encoding": "a\\u0000b"}}',
        b'{"table": "public.items", "format": {"encoding": "rot13"}}',
        b'{"table": "public.items", "format": {"delimiter": "\xc3\xa9"}}',
        b'{"table": "public.items", "source": "a", "schedule": {"cron": "* * 31 2 *"}}',
        b'{"table": "public.items", "source": "a{data_date!r}"}',
    ],
)
def test_a_definition_that_cannot_be_kept_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.put("/v1/datasets/odd", content=body, headers=JSON)

    assert problem_of(answer)[0] == 422
    assert client.get("/v1/datasets/odd").status_code == 404


def test_a_number_of_many_digits_is_refused(client: httpx.Client) -> None:
    body = b'{"table": "public.items", "max_rejected_rows": 1' + b"0" * 5000 + b"}"
    answer = client.put("/v1/datasets/odd", content=body, headers=JSON)

    assert problem_of(answer)[:2] == (400, "malformed-request")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("[", "source-missing"),
        ("x" * 3000, "source-missing"),
        ("**/*" * 500, "source-missing"),
        ("~/items.csv", "source-missing"),
        (".", "source-not-regular"),
        ("../x", "source-not-allowed"),
        ("*/../../x*", "source-not-allowed"),
        ("/proc/self/environ", "source-not-allowed"),
    ],
)
def test_a_source_that_leads_elsewhere_is_refused(
    client: httpx.Client, items: Path, ledger: Ledger, source: str, code: str
) -> None:
    answer = client.post("/v1/jobs", json={"dataset": "items", "source": source})

    assert problem_of(answer)[:2] == (422, code)
    assert ledger.value("SELECT count(*) FROM adsp.jobs") == 0


def test_a_form_is_not_taken_for_a_file(
    client: httpx.Client, items: Path, upload_dir: Path
) -> None:
    answer = client.post("/v1/datasets/items/uploads", files={"file": ("a.csv", b"sku\n")})
    status, code, detail = problem_of(answer)

    assert (status, code) == (415, "unsupported-media-type")
    assert "--data-binary" in detail
    assert list(upload_dir.glob("*/*")) == []


@pytest.mark.parametrize(
    ("accept", "query", "media_type"),
    [
        ("text/csv", "", "text/csv; charset=utf-8"),
        ("Text/CSV;q=0.9", "", "text/csv; charset=utf-8"),
        ("text/csv", "?format=json", "application/json"),
        ("application/json", "?format=csv", "text/csv; charset=utf-8"),
        ("application/json, text/csv", "", "application/json"),
        ("*/*", "", "application/json"),
    ],
)
def test_failed_rows_come_in_the_form_that_is_asked_for(
    client: httpx.Client, job: str, accept: str, query: str, media_type: str
) -> None:
    answer = client.get(f"/v1/jobs/{job}/failed-rows{query}", headers={"Accept": accept})

    assert answer.headers["content-type"] == media_type


@pytest.mark.parametrize("name", ["items", "never-made"])
def test_a_table_with_a_hostile_name_is_refused(client: httpx.Client, name: str) -> None:
    answer = client.put(f"/v1/datasets/{name}", json={**ITEMS, "table": 'public.items"; --'})

    assert problem_of(answer)[:2] == (422, "table-missing")


UNKNOWN = "01a20bb0-ed59-716e-a450-60748f27550b"


def test_no_text_of_a_query_holds_a_nul_that_postgres_would_refuse(client: httpx.Client) -> None:
    """Seen before: a filter with one was answered 500."""
    document = client.get("/openapi.json").json()
    asked = [
        (path, method, parameter["name"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    ]
    answers = {
        (path, name): client.request(
            method, path.replace("{job_id}", UNKNOWN).replace("{place}", "1"), params={name: "\0"}
        ).status_code
        for path, method, name in asked
    }

    assert ("/v1/jobs", "text") in answers
    assert {each: status for each, status in answers.items() if status >= 500} == {}
