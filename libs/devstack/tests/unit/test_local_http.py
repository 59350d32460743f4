"""Servers of this machine are asked directly, and what they say is never taken for silence."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from libs.devstack.local_http import ask
from libs.devstack.ports import free_port
from libs.devstack.probes import web_answers


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_no_proxy_stands_between(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network's proxy cannot reach this machine's own ports."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    assert web_answers(f"{url}/ready")


def test_a_refusal_is_an_answer_and_silence_is_none(url: str) -> None:
    assert ask(f"{url}/elsewhere", 5).status_code == 503
    assert not web_answers(f"{url}/elsewhere")
    assert not web_answers(f"http://127.0.0.1:{free_port()}/ready")
    with pytest.raises(httpx.ConnectError):
        ask(f"http://127.0.0.1:{free_port()}/", 5)
