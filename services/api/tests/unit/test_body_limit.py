"""A body is bounded unless its route says that it takes a file."""

import asyncio
from collections.abc import AsyncIterator

import httpx
from fastapi import FastAPI, Request

from services.api.limits.body_limit import TAKES_FILE, BodyLimit

MOST = 8
LONG = b"123456789"


UNMARKED = "/v1/datasets/items/uploads"


def _app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(BodyLimit, max_bytes=MOST)

    async def count(request: Request) -> int:
        return len(await request.body())

    app.post("/v1/datasets/{name}/uploads")(count)
    app.post("/files", dependencies=[TAKES_FILE])(count)
    return app


def _post(path: str, *pieces: bytes, declared: bool) -> httpx.Response:
    """Send a body, with its length declared or without."""

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.post(path, content=b"".join(pieces) if declared else stream())

    return asyncio.run(post())


def test_a_route_that_takes_a_file_reads_all_of_it() -> None:
    assert _post("/files", LONG, declared=True).json() == len(LONG)
    assert _post("/files", LONG, LONG, declared=False).json() == 2 * len(LONG)


def test_what_a_path_looks_like_lifts_no_limit() -> None:
    assert _post(UNMARKED, LONG[:MOST], declared=True).json() == MOST
    assert _post(UNMARKED, LONG, declared=True).status_code == 413
    assert _post(UNMARKED, LONG[:5], LONG[5:], declared=False).status_code == 413
