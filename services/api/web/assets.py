"""Serve the files that pages need: the style, the script, and htmx from its package of the lock."""

import hashlib
from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from libs.common.errors import NotFound

router = APIRouter(include_in_schema=False)

FOLDER = "/static"
ASSETS = {
    "console.css": (__package__, "static/console.css", "text/css"),
    "console.js": (__package__, "static/console.js", "text/javascript"),
    "htmx.min.js": ("js_lib_htmx", "static/htmx/htmx.min.js", "text/javascript"),
}
"""The package, the path in it and the media type of each."""

_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}


@router.get(FOLDER + "/{name}")
def show_asset(name: str) -> Response:
    """Give a file; its address has its digest, so that a browser may keep it."""
    if name not in ASSETS:
        raise NotFound("path-unknown", f"there is no {name!r} here; GET / shows the console")
    return Response(_content(name), media_type=ASSETS[name][2], headers=_HEADERS)


@cache
def address_of(name: str) -> str:
    """Return the address of a file as it is now."""
    return f"{FOLDER}/{name}?v={hashlib.sha256(_content(name)).hexdigest()[:12]}"


@cache
def _content(name: str) -> bytes:
    package, path, _type = ASSETS[name]
    return files(package).joinpath(path).read_bytes()
