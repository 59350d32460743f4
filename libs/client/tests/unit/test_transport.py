"""The client against a server of this machine that answers as its script says, one answer a request."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from libs.client.client import Client
from libs.client.errors import (
    ApiUnreachable,
    Conflict,
    Forbidden,
    InvalidRequest,
    JobTooSlow,
    NotFound,
    RefusedRequest,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
)

JOB = {
    "id": "01",
    "dataset": "items",
    "definition_version": 1,
    "data_date": "2026-01-02",
    "source": "items.csv",
    "state": "queued",
    "trigger": "upload",
    "force": False,
    "rows_read": 0,
    "rows_loaded": 0,
    "rows_rejected": 0,
    "rows_superseded": 0,
    "bytes_total": None,
    "bytes_done": 0,
    "created_at": "2026-01-02T00:00:00Z",
    "started_at": None,
    "finished_at": None,
    "attempt": 0,
    "error": None,
    "warnings": [],
    "duplicate_of": None,
    "replay_of": None,
    "a_field_of_tomorrow": 1,
}
OVER = {**JOB, "state": "succeeded", "finished_at": "2026-01-02T00:00:01Z"}


@dataclass
class Script:
    """What the server answers in turn, and what it was asked: method, path, headers, body."""

    answers: list[tuple[int, Any, dict[str, str]]]
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def add(self, status: int, body: Any = None, **headers: str) -> None:
        self.answers.append((status, body, headers))


def problem(code: str) -> dict[str, Any]:
    return {"code": code, "detail": "do it otherwise", "status": 0, "title": "", "type": ""}


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    """Read a body that has a length or comes in chunks."""
    if "Content-Length" in handler.headers:
        return handler.rfile.read(int(handler.headers["Content-Length"]))
    parts = []
    while handler.headers.get("Transfer-Encoding") == "chunked":
        size = int(handler.rfile.readline(), 16)
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
        if not size:
            break
    return b"".join(parts)


@contextmanager
def answering(script: Script) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.asked.append((self.command, self.path, dict(self.headers), _body(self)))
            status, body, headers = script.answers.pop(0)
            if status:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_POST = do_DELETE = do_GET  # noqa: N815  # the names that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def script() -> Iterator[Script]:
    """Run the server; every answer of a script must have been asked for."""
    made = Script([])
    with answering(made):
        yield made
    assert made.answers == []


@pytest.fixture
def client(script: Script) -> Iterator[Client]:
    with Client(script.url, "secret", retry_seconds=10) as made:
        yield made


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (412, Conflict),
        (422, InvalidRequest),
        (500, ServerFault),
    ],
)
def test_a_refusal_is_raised_as_its_kind_and_never_sent_again(
    script: Script, client: Client, status: int, kind: type[RefusedRequest]
) -> None:
    script.add(status, problem("some-code"))

    with pytest.raises(RefusedRequest) as refused:
        client.job("01")

    assert type(refused.value) is kind
    assert (refused.value.status, refused.value.code) == (status, "some-code")
    assert "do it otherwise" in str(refused.value)


@pytest.mark.parametrize(("status", "kind"), [(429, TooManyRequests), (503, ServerFault)])
def test_what_passes_is_asked_for_again_until_the_time_is_over(
    script: Script, status: int, kind: type[RefusedRequest]
) -> None:
    script.add(status, problem("busy"))
    script.add(200, JOB)
    script.add(status, problem("busy"), Retry_After="60")
    with Client(script.url, retry_seconds=5) as patient:
        found = patient.job("01")
        with pytest.raises(kind):
            patient.job("01")

    assert found.id == "01"


def test_the_time_that_the_api_names_is_waited_for(script: Script, client: Client) -> None:
    script.add(503, problem("away"), Retry_After="1")
    script.add(200, JOB)

    start = time.monotonic()
    client.job("01")

    assert time.monotonic() - start >= 1


def test_a_file_is_sent_again_whole_and_with_its_key(
    script: Script, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(b"sku\n" + b"x" * 3_000_000)
    script.add(0)
    script.add(503, problem("away"))
    script.add(202, JOB)
    seen: list[int] = []

    job = client.load("items", path, data_date="2026-01-02", on_progress=seen.append)

    keys = {headers["Idempotency-Key"] for _, _, headers, _ in script.asked}
    assert (job.id, len(keys)) == ("01", 1)
    assert [body for _, _, _, body in script.asked] == [path.read_bytes()] * 3
    assert script.asked[0][1].endswith("filename=items.csv&data_date=2026-01-02&force=false")
    assert seen[-1] == 3_000_004


def test_a_delete_is_sent_once(script: Script, client: Client) -> None:
    script.add(503, problem("away"))

    with pytest.raises(ServerFault):
        client.delete_dataset("items")


def test_the_key_is_sent_and_a_field_of_tomorrow_is_ignored(script: Script, client: Client) -> None:
    script.add(200, JOB)

    assert client.job("01").state == "queued"
    assert script.asked[0][2]["Authorization"] == "Bearer secret"


def test_pages_are_fetched_as_they_are_needed(script: Script, client: Client) -> None:
    script.add(200, {"items": [JOB], "next_page_token": "more"})
    jobs = client.jobs(dataset="items")

    first = next(jobs)
    asked_for_one = len(script.asked)
    script.add(200, {"items": [OVER], "next_page_token": None})

    assert [first.state, *(job.state for job in jobs)] == ["queued", "succeeded"]
    assert asked_for_one == 1
    assert script.asked[1][1] == "/v1/jobs?page_size=500&dataset=items&page_token=more"


def test_a_job_is_waited_for_until_its_end_or_the_deadline(script: Script, client: Client) -> None:
    script.add(200, JOB)
    script.add(200, OVER)
    script.add(200, JOB)
    queued = client.job("01")
    states: list[str] = []

    ended = client.wait(queued, seconds=30, on_progress=lambda job: states.append(job.state))
    with pytest.raises(JobTooSlow, match="job 01 is still queued"):
        client.wait(queued, seconds=0.05)

    assert ended.is_over
    assert states == ["succeeded"]


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, {}), (502, b"<html>")])
def test_another_server_at_the_address_is_not_taken_for_the_api(
    script: Script, status: int, body: Any
) -> None:
    script.add(status, body)

    with Client(script.url, retry_seconds=0) as client, pytest.raises(UnexpectedAnswer):
        client.job("01")


def test_a_proxy_whose_api_is_away_for_a_moment_is_asked_again(
    script: Script, client: Client
) -> None:
    script.add(502, b"<html>")
    script.add(200, JOB)

    assert client.job("01").id == "01"


def test_no_answer_is_an_error_of_its_own(script: Script) -> None:
    script.add(0)
    with Client(script.url, retry_seconds=0) as client, pytest.raises(ApiUnreachable):
        client.job("01")
