"""Show problems to people as pages: the same words, with the way back."""

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.errors.problems import MEDIA_TYPE
from services.api.web.pages import show_page

_OF_BODY = ("content-type", "content-length")


class ProblemPages:
    """ASGI middleware that makes a page of a problem where a browser asked for one."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Answer(scope, receive, send).send)


class _Answer:
    """What goes back to the browser; a problem is kept until it is whole."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._start: Message | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        """Pass a message on, or the page once the problem is there."""
        if message["type"] == "http.response.start" and _is_problem(message):
            self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            await self._show(self._start, json.loads(self._body))

    async def _show(self, start: Message, problem: dict[str, Any]) -> None:
        request = Request(self._scope)
        page = show_page(request, "problem.html", status=start["status"], problem=problem)
        for name, value in Headers(raw=start["headers"]).items():
            if name not in _OF_BODY:
                page.headers[name] = value
        await page(self._scope, self._receive, self._send)


def _is_problem(start: Message) -> bool:
    return bool(Headers(raw=start["headers"]).get("content-type") == MEDIA_TYPE)
