"""Make pages of the templates beside this module; every value in them is escaped, one that is missing is an error."""

from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from libs.common.enums import JobState, Scope
from libs.common.version import VERSION
from services.api.security.caller import ANYONE, Caller
from services.api.web.assets import address_of


def _shown(value: object) -> str:
    """Return a value as people read it."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S %Z")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


_TEMPLATES = Environment(
    loader=PackageLoader(__package__),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["shown"] = _shown
_TEMPLATES.globals.update(states=list(JobState), asset=address_of, version=VERSION)

PAGE_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; script-src 'self'; "
    "style-src 'self'; img-src data:; connect-src 'self'"
)
"""The browser takes scripts and styles from files of this api alone, none from a page, whatever a row may hold."""


def safe_headers(policy: str) -> dict[str, str]:
    """Return the headers of what a browser shows under a content policy."""
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        # Without a referrer within the api, a browser would tell forms of its own pages from none.
        "Referrer-Policy": "same-origin",
    }


PAGE_HEADERS = {**safe_headers(PAGE_POLICY), "Cache-Control": "no-store"}


def render(
    template: str, headers: dict[str, str], status: int = 200, **values: object
) -> HTMLResponse:
    """Answer with the page that a template makes of values."""
    text = _TEMPLATES.get_template(template).render(values)
    return HTMLResponse(text, status, headers=headers)


def show_page(
    request: Request, template: str, *, status: int = 200, **values: object
) -> HTMLResponse:
    """Answer with a page of the console, as the caller may see it.

    Whether the caller may submit hangs on the dataset: a page that asks for `may_submit` has to be given it.
    """
    caller = caller_of(request.scope.get("state", {}))
    frame = {
        "path": request.url.path,
        "who": caller.owner,
        "may_admin": caller.has_scope(Scope.ADMIN),
        "csrf": caller.session.csrf if caller.session else "",
        "is_signed_in": caller.session is not None,
    }
    return render(template, PAGE_HEADERS, status, **(frame | values))


def caller_of(state: dict[str, Any]) -> Caller:
    """Return whom the authentication found; before it has looked, nobody in particular."""
    caller: Caller = state.get("caller", ANYONE)
    return caller
