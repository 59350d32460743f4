"""Hear what Alertmanager tells, as the service that it is to alarm would."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from libs.devstack.ports import LOOPBACK


class Webhook:
    """A receiver for each path below `url`, and all that it got."""

    def __init__(self) -> None:
        self._heard: list[tuple[str, dict[str, Any]]] = []
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())

    @property
    def url(self) -> str:
        """Return the address of the receivers."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def heard(self, receiver: str, status: str = "firing") -> list[dict[str, str]]:
        """Return the labels of the alerts of this status that a receiver got."""
        return [
            alert["labels"]
            for path, message in list(self._heard)
            if path == f"/{receiver}"
            for alert in message["alerts"]
            if alert["status"] == status
        ]

    def forget(self) -> None:
        """Forget what was heard."""
        self._heard.clear()

    @contextmanager
    def listening(self) -> Iterator["Webhook"]:
        """Listen as long as the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(10)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        heard = self._heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.append((self.path, json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        return Handler
