"""Make pages of the templates beside this module; every value in them is escaped, one that is missing is an error."""

import base64
import hashlib
from datetime import datetime

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from libs.common.enums import JobState


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
_TEMPLATES.globals["states"] = list(JobState)

_STYLE = _TEMPLATES.get_template("style.css").render()
PAGE_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
"""The browser runs no script and takes this style alone, whatever a row may hold."""


def safe_headers(policy: str) -> dict[str, str]:
    """Return the headers of what a browser shows under a content policy."""
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def render(template: str, headers: dict[str, str], **values: object) -> HTMLResponse:
    """Answer with the page that a template makes of values."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(values), headers=headers)
