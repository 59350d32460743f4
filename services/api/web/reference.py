"""Serve the reference of the interface at ``/docs``: Swagger UI from files of this image.

    /docs ──► swagger-ui.css, swagger-ui-bundle.js, start.js ──► /openapi.json

Nothing is fetched from elsewhere: the page works without the internet, and no script of others runs in the
origin that a browser sends the key's password to. The files come with the package fastapi-offline.
"""

from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from libs.common.errors import NotFound
from services.api.web.pages import render, safe_headers

router = APIRouter(include_in_schema=False)

ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No inline script or style; pictures of the style sheet are data. The page asks this api alone."""

_HEADERS = safe_headers(POLICY)


@router.get("/docs")
def show_reference() -> HTMLResponse:
    """Show the interface's reference."""
    return render("reference.html", _HEADERS)


@router.get("/docs/{name}")
def show_asset(name: str) -> Response:
    """Give a file of the reference page."""
    if name not in ASSETS:
        raise NotFound("path-unknown", f"there is no {name!r} here; GET /docs shows the reference")
    headers = {**_HEADERS, "Cache-Control": "max-age=3600"}
    return Response(_content(name), media_type=ASSETS[name], headers=headers)


@cache
def _content(name: str) -> bytes:
    package = __package__ if name == "start.js" else "fastapi_offline"
    return (files(package) / "static" / name).read_bytes()
