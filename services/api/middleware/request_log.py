"""Give each request an id, one log line and its metrics, and let no error leave without a problem.

The outermost layer of the api: `X-Request-ID` is taken when it is sane, else made; it is bound to
the log, returned, and stored with the job that the request makes, from where it travels on to
worker and loader.
"""

import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.common.logs import get_logger
from services.api.errors.problems import internal_error
from services.api.metrics import ApiMetrics
from services.api.security.caller import Caller

log = get_logger(__name__)

HEADER = "X-Request-ID"
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET_ROUTES = frozenset({"/health", "/livez", "/readyz", "/metrics"})
_CLIENT_GONE = 499  # as nginx counts a client that left before its answer


class RequestLog:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        """Wrap `app`."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = accept_request_id(Headers(scope=scope).get(HEADER))
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._answer(scope, receive, _Answer(send, request_id))

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        started = time.perf_counter()
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = _CLIENT_GONE
        except Exception:
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            if answer.status is not None:
                raise  # half an answer is out: cutting the connection shows that it is not whole
            await internal_error(scope["path"])(scope, receive, answer.send)
        finally:
            self._record(scope, answer, time.perf_counter() - started)

    def _record(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        status = answer.status or 500
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(method, route, str(status)).inc()
        if (
            not answer.is_stream
        ):  # it lasts as long as somebody listens, which says nothing of the api
            self._metrics.request_seconds.labels(method, route).observe(seconds)
        write = log.debug if route in _QUIET_ROUTES else log.info
        write(
            "request_answered",
            method=method,
            route=route,
            path=scope["path"],
            status=status,
            milliseconds=round(seconds * 1000, 1),
            **_who(scope),
        )


def _who(scope: Scope) -> dict[str, str]:
    """Return what the log tells of the caller, nothing when no key was asked for."""
    caller: Caller | None = scope.get("state", {}).get("caller")
    if caller is None or caller.key_id is None or caller.owner is None:
        return {}
    return {"key_id": caller.key_id, "owner": caller.owner}


class _Answer:
    """What goes back to the client, with the request id on it."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None
        self.is_stream = False

    async def send(self, message: Message) -> None:
        """Pass a message on; the first one gets the header."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[HEADER] = self._request_id
            self.is_stream = headers.get("content-type", "").startswith("text/event-stream")
        await self._send(message)


def accept_request_id(given: str | None) -> str:
    """Return the id that the client gave, or a new one when it is missing or not sane."""
    if given is not None and _SANE_ID.fullmatch(given):
        return given
    return str(uuid4())
