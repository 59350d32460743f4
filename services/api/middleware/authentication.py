"""Let nobody in without a key: the middleware that runs before any route, known or not.

    Authorization: Bearer KEY │ X-API-Key: KEY │ GET with Basic, password KEY ──► caller on the request's state
    cookie of a session ──► the same; what changes something must bring the session's CSRF token as well
    no key, a wrong or a revoked one ──► 401         too many requests of this key or address ──► 429
    without keys: another site's page ──► 403

A browser is led to the page to sign in where others are answered 401. HTTP Basic (any user name, the key as
password) is taken for reading alone, since a browser sends it along with another site's forms too.
"""

import base64
import binascii
import hmac
from dataclasses import replace
from urllib.parse import quote

import psycopg2
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.common.ledger.api_keys import ApiKey
from services.api.dependencies import Dependencies
from services.api.errors.database import answer_database_error
from services.api.errors.problems import ProblemError, problem_response
from services.api.middleware.origins import foreign_origin, is_of_another_site
from services.api.security.addresses import network_of
from services.api.security.api_keys import Credential, KnownKeys, authenticate
from services.api.security.caller import ANYONE, KEY_HEADER, Caller
from services.api.security.sessions import COOKIE, SessionToken
from services.api.web import assets, sign_in
from services.api.web.dataset_schema import PATH as SCHEMA_PATH
from services.api.web.forms import HEADER as CSRF_HEADER
from services.api.web.reference import ASSETS

OPEN_PATHS = frozenset(
    {
        *("/health", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs"),
        SCHEMA_PATH,
        *(f"/docs/{name}" for name in ASSETS),
        sign_in.PATH,
        *(f"{assets.FOLDER}/{name}" for name in assets.ASSETS),
    }
)
"""What needs no key: probes, Prometheus, the description of the interface, and the page to sign in."""


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
        sent = credential_in(request) if self._is_on else None
        try:
            caller, seconds = await run_in_threadpool(self._recognise, request, sent)
        except _FAULTS as exc:
            return await answer_database_error(request, exc)
        if seconds:
            return _too_many(request, seconds)
        return _admit(request, caller)

    def _recognise(self, request: Request, sent: Credential | None) -> tuple[Caller | None, int]:
        """Return the caller, None when there is none, and the seconds that he must wait.

        Whoever is not known is counted by address before the ledger is asked about his key: that bounds the cost.
        """
        if sent is not None and sent in self._known:
            return self._recognise_known(sent)
        seconds = self._limits.count(f"address {network_of(request)}")
        if seconds or not self._is_on:
            return ANYONE, seconds
        caller = authenticate(self._sessions, sent) if sent else None
        if sent is None or caller is None:
            return None, 0
        self._known.add(sent)
        return caller, self._limits.count(sent.counter)

    def _recognise_known(self, sent: Credential) -> tuple[Caller | None, int]:
        """Return the caller of a key that was right before; others at his address take nothing from him."""
        if seconds := self._limits.count(sent.counter):
            return None, seconds
        caller = authenticate(self._sessions, sent)
        if caller is None:
            self._known.forget(sent)
        return caller, 0


def credential_in(request: Request) -> Credential | None:
    """Return the key that was sent, else the session of the cookie; None where neither can be one."""
    key = key_in(request.headers, allows_basic=request.method in _SAFE_METHODS)
    if key is not None:
        return ApiKey.parse(key)
    return SessionToken.parse(request.cookies.get(COOKIE, ""))


def _admit(request: Request, caller: Caller | None) -> Caller | Response:
    """Return the caller with his address, or the answer for nobody, and for what another site may have sent."""
    if caller is None:
        return _refusal(request)
    if caller.session and request.method not in _SAFE_METHODS and _is_forged(request, caller):
        return _forged(request)
    return replace(caller, address=network_of(request))


def _is_forged(request: Request, caller: Caller) -> bool:
    """Return whether another site's page may have sent a request that comes with a session.

    Forms of the console carry the token in a field, which `services.api.web.forms` looks at.
    """
    if is_of_another_site(request.headers):
        return True
    if not is_of_api(request.scope["path"]):
        return False
    sent = request.headers.get(CSRF_HEADER, "")
    return caller.session is None or not hmac.compare_digest(
        sent.encode(), caller.session.csrf.encode()
    )


def is_of_api(path: str) -> bool:
    """Return whether a path is one of the interface's, not of the console's."""
    return path.startswith("/v1/") or path == "/trigger-job"


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


def _forged(request: Request) -> Response:
    return problem_response(
        request.scope["path"],
        403,
        "request-forged",
        f"a session changes things with its token in the header {CSRF_HEADER} alone, from a page of this api; "
        "load the page again, or send an API key",
    )


def _refusal(request: Request) -> Response:
    """Say how to send a key; a browser is led to where its user can sign in."""
    if "HX-Request" in request.headers:
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"{sign_in.PATH}?next={quote(_back(request), safe='')}", 303)
    if key_in(request.headers, allows_basic=request.method in _SAFE_METHODS) is None:
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
    headers = {"WWW-Authenticate": 'Bearer realm="ADSP"'}
    return problem_response(
        request.scope["path"], refusal.status, refusal.code, refusal.detail, headers=headers
    )


def _back(request: Request) -> str:
    """Return where to go on after signing in: the page that was asked for, or the one whose form was sent."""
    path = request.url.path
    if request.method not in _SAFE_METHODS:
        return path.rpartition("/")[0] or "/"
    return f"{path}?{request.url.query}" if request.url.query else path
