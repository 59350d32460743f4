"""Let nobody in without a key: the middleware that runs before any route, known or not.

    Authorization: Bearer KEY │ X-API-Key: KEY │ GET with Basic, password KEY ──► caller on the request's state
    no key, a wrong or a revoked one ──► 401         too many requests of this key or address ──► 429
    without keys: another site's page ──► 403

A browser sends no headers of its own, so that pages are read with HTTP Basic: any user name, the key as
password. It is taken for reading alone, since a browser sends it along with another site's forms too.
"""

import base64
import binascii
from ipaddress import ip_address, ip_network

import psycopg2
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.common.ledger.api_keys import ApiKey
from services.api.dependencies import Dependencies
from services.api.errors.database import answer_database_error
from services.api.errors.problems import ProblemError, problem_response
from services.api.middleware.origins import foreign_origin
from services.api.security.api_keys import KnownKeys, authenticate
from services.api.security.caller import ANYONE, KEY_HEADER, Caller
from services.api.web.dataset_schema import PATH as SCHEMA_PATH
from services.api.web.reference import ASSETS

OPEN_PATHS = frozenset(
    {
        *("/health", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs"),
        SCHEMA_PATH,
        *(f"/docs/{name}" for name in ASSETS),
    }
)
"""What needs no key: probes, Prometheus, and the description of the interface, which holds no data."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_FAULTS = (DBAPIError, PoolTimeoutError, psycopg2.Error)


class Authentication:
    """ASGI middleware that puts the caller on the state of each request, or answers 401."""

    def __init__(self, app: ASGIApp, dependencies: Dependencies) -> None:
        """Wrap `app`."""
        self._app = app
        self._sessions = dependencies.sessions
        self._limits = dependencies.rate_limits
        self._known = KnownKeys()
        self._is_on = dependencies.settings.auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        found = await self._find_caller(Request(scope))
        if isinstance(found, Response):
            await found(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = found
        with structlog.contextvars.bound_contextvars(key_id=found.key_id, owner=found.owner):
            await self._app(scope, receive, send)

    async def _find_caller(self, request: Request) -> Caller | Response:
        """Return the caller, or the answer for one who may not pass; probes pass uncounted."""
        if request.scope["path"] in OPEN_PATHS:
            return ANYONE
        if not self._is_on and (reason := foreign_origin(request.method, request.headers)):
            return problem_response(request.scope["path"], 403, "origin-not-allowed", reason)
        sent = key_in(request.headers, allows_basic=request.method in _SAFE_METHODS)
        try:
            caller, seconds = await run_in_threadpool(self._recognise, request, sent)
        except _FAULTS as exc:
            return await answer_database_error(request, exc)
        if seconds:
            return _too_many(request, seconds)
        return caller or _refusal(request, sent)

    def _recognise(self, request: Request, sent: str | None) -> tuple[Caller | None, int]:
        """Return the caller, None when there is none, and the seconds that he must wait.

        Whoever is not known is counted by address before the ledger is asked about his key: that bounds the cost.
        """
        key = ApiKey.parse(sent) if sent and self._is_on else None
        if key is not None and key in self._known:
            return self._recognise_known(key)
        seconds = self._limits.count(f"address {network_of(request)}")
        if seconds or not self._is_on:
            return ANYONE, seconds
        caller = authenticate(self._sessions, key) if key else None
        if key is None or caller is None:
            return None, 0
        self._known.add(key)
        return caller, self._limits.count(f"key {key.id}")

    def _recognise_known(self, key: ApiKey) -> tuple[Caller | None, int]:
        """Return the caller of a key that was right before; others at his address take nothing from him."""
        if seconds := self._limits.count(f"key {key.id}"):
            return None, seconds
        caller = authenticate(self._sessions, key)
        if caller is None:
            self._known.forget(key)
        return caller, 0


def network_of(request: Request) -> str:
    """Return the address that a request came from; of IPv6 the part that one client is given, not all it may choose."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return host if address.version == 4 else str(ip_network((address, 64), strict=False))


def key_in(headers: Headers, *, allows_basic: bool) -> str | None:
    """Return what was sent as a key."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic" and allows_basic:
        return _password(credentials)
    return headers.get(KEY_HEADER)


def _password(credentials: str) -> str | None:
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _too_many(request: Request, seconds: int) -> Response:
    return problem_response(
        request.scope["path"],
        429,
        "too-many-requests",
        f"this key or address has asked too often; wait {seconds} s",
        headers={"Retry-After": str(seconds)},
    )


def _refusal(request: Request, sent: str | None) -> Response:
    """Say how to send a key; a browser is asked to ask its user for one."""
    wants_page = "text/html" in request.headers.get("accept", "")
    challenge = 'Basic realm="ADSP: the key is the password", charset="UTF-8"'
    if sent is None:
        refusal = ProblemError(
            401,
            "key-missing",
            "send an API key as 'Authorization: Bearer adsp_…' or 'X-API-Key: adsp_…'; "
            "./dev keys create makes one",
        )
    else:
        refusal = ProblemError(
            401,
            "key-unknown",
            "this API key is not known or was revoked; ./dev keys list shows those that hold",
        )
    headers = {"WWW-Authenticate": challenge if wants_page else 'Bearer realm="ADSP"'}
    return problem_response(
        request.scope["path"], refusal.status, refusal.code, refusal.detail, headers=headers
    )
