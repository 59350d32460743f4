"""Write the call behind a button as a command for a terminal."""

import json
import shlex
from collections.abc import Mapping

from fastapi import Request


def curl(
    request: Request,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
    *,
    if_match: str | None = None,
) -> str:
    """Return the command; the key comes from the environment, since a page does not know it."""
    parts = ["curl", "-X", method, str(request.base_url).rstrip("/") + path]
    command = " ".join(map(shlex.quote, parts)) + ' -H "Authorization: Bearer $ADSP_API_KEY"'
    if if_match is not None:
        command += f" -H {shlex.quote('If-Match: ' + if_match)}"
    if body is not None:
        text = json.dumps(body, ensure_ascii=False)
        command += f" -H 'Content-Type: application/json' -d {shlex.quote(text)}"
    return command
