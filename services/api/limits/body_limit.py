"""Refuse JSON bodies that are too large, before they fill the memory.

Uploads are not read into memory and have a limit of their own.
"""

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_UPLOADS = re.compile(r"/v1/datasets/[^/]+/uploads|/v1/jobs/[^/]+/replay")


class BodyLimit:
    """ASGI middleware that counts the bytes of a body as they come.

    FastAPI's own limit answers in plain text, past the api's problems and request ids.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        """Wrap `app`."""
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or _UPLOADS.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        seen = int(declared) if declared.isdecimal() else 0

        async def receive_limited() -> Message:
            nonlocal seen
            if seen > self._max_bytes:
                raise HTTPException(413)
            message = await receive()
            received = len(message.get("body", b""))
            # The declared length covers what comes; without one, what came is counted.
            seen += 0 if declared != "0" else received
            if seen > self._max_bytes:
                raise HTTPException(413)
            return message

        await self._app(scope, receive_limited, send)
