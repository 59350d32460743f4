"""Refuse JSON bodies that are too large, before they fill the memory.

A route that takes a file says so with `TAKES_FILE`: files are not read into memory and have a limit of their own.
"""

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MARK = "takes_file"


async def _take_file(request: Request) -> None:
    request.scope.setdefault("state", {})[_MARK] = True


TAKES_FILE = Depends(_take_file)


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
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        seen = int(declared) if declared.isdecimal() else 0

        async def receive_limited() -> Message:
            nonlocal seen
            # What a route declares is known by the time that it reads the body.
            if scope.get("state", {}).get(_MARK):
                return await receive()
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
