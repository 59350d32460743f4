"""Tell requests that another site's page makes a browser send: without keys nothing else keeps them out.

An api without keys listens on the loopback address alone, but each page that a browser on that machine shows can
send it forms, and a name that resolves to 127.0.0.1 lets such a page read the answers as well (DNS rebinding).
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from services.api.settings import is_loopback

_SAFE_METHODS = frozenset({"GET", "HEAD"})


def foreign_origin(method: str, headers: Headers) -> str | None:
    """Return why a request may come from another site's page, or None where it cannot."""
    host = headers.get("host", "")
    if not _names_this_machine(host):
        return (
            f"without API keys only this machine's own names are answered, not {host[:100]!r}; "
            "use http://127.0.0.1 or set ADSP_AUTH=on"
        )
    if method not in _SAFE_METHODS and is_of_another_site(headers):
        return "a page of another site has sent this; without API keys such requests are refused"
    return None


def is_of_another_site(headers: Headers) -> bool:
    """Return whether a browser says that another site's page has sent the request."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host", ""):
        return True
    return headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}


def _names_this_machine(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
