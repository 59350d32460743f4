"""Sign in to the console with an API key, and out of it."""

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool

from libs.common.enums import AuditAction
from libs.common.ledger.api_keys import ApiKey
from libs.common.ledger.audit import record_audit
from services.api.dependencies import Dependencies, Wired
from services.api.errors.problems import ProblemError
from services.api.middleware.origins import is_of_another_site
from services.api.security.addresses import network_of
from services.api.security.api_keys import authenticate
from services.api.security.caller import Caller
from services.api.security.sessions import COOKIE, SessionToken, begin_session, end_session
from services.api.web.forms import Form, see_other
from services.api.web.pages import caller_of, show_page

PATH = "/sign-in"
_LOCAL = re.compile(r"/(?![/\\])[\x21-\x7e]*")
_UNKNOWN = (
    "This key is not known or was revoked. Look for a space at its ends, or ask who gave it to you."
)

router = APIRouter(include_in_schema=False)


@router.get(PATH)
def show_sign_in(
    request: Request, goes_on: Annotated[str, Query(alias="next", max_length=2048)] = "/"
) -> HTMLResponse:
    """Ask for a key."""
    return show_page(request, "sign_in.html", next=local(goes_on), refusal=None)


@router.post(PATH)
async def sign_in(request: Request, dependencies: Wired, form: Form) -> Response:
    """Begin a session, and go on to where the person wanted to."""
    if is_of_another_site(request.headers):
        raise ProblemError(403, "request-forged", "sign in from the page of this api")
    if seconds := dependencies.rate_limits.count(f"address {network_of(request)}"):
        retry = {"Retry-After": str(seconds)}
        raise ProblemError(429, "too-many-requests", f"wait {seconds} s, then try again", retry)
    goes_on = local(form.get("next", "/"))
    key = ApiKey.parse(form.get("key", "").strip())
    token = await run_in_threadpool(_begin, dependencies, key, network_of(request))
    if token is None:
        return show_page(request, "sign_in.html", status=401, next=goes_on, refusal=_UNKNOWN)
    response = see_other(goes_on)
    response.set_cookie(
        COOKIE,
        token.text,
        max_age=int(dependencies.settings.session_hours * 3600),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return response


@router.post("/sign-out")
def sign_out(request: Request, dependencies: Wired, _form: Form) -> Response:
    """End the session."""
    caller = caller_of(request.scope["state"])
    if caller.session is not None:
        with dependencies.sessions.begin() as session:
            end_session(session, caller.session)
            record_audit(session, caller.actor, AuditAction.SESSION_END, f"key/{caller.key_id}")
    response = see_other(PATH)
    response.delete_cookie(COOKIE)
    return response


def local(path: str) -> str:
    """Return a path of this api, the start page for anything else: nobody is led elsewhere from here."""
    return path if _LOCAL.fullmatch(path) else "/"


def _begin(dependencies: Dependencies, key: ApiKey | None, address: str) -> SessionToken | None:
    found = authenticate(dependencies.sessions, key) if key else None
    if found is None or found.key_id is None:
        return None
    caller = Caller(found.owner, found.scopes, found.key_id, address)
    with dependencies.sessions.begin() as session:
        token = begin_session(session, found.key_id, dependencies.settings.session_hours)
        record_audit(session, caller.actor, AuditAction.SESSION_BEGIN, f"key/{found.key_id}")
    return token
