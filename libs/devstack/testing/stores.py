"""Start servers that sources can lie on: S3, SFTP and HTTPS, each a real one, on the loopback.

Faults are made in front of them: an answer that is refused, throttled or cut off.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import obstore
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from obstore.store import S3Store
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.utils import send_from_directory
from werkzeug.wrappers import Request

from libs.devstack.testing.certificates import make_certificate

HOST = "127.0.0.1"
_REGION = "eu-central-1"

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Fault(Enum):
    """What a server does with a request in place of answering it."""

    THROTTLED = "503 Slow Down", b"<Error><Code>SlowDown</Code></Error>"
    EXPIRED = "400 Bad Request", b"<Error><Code>ExpiredToken</Code></Error>"
    DENIED = "403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>"
    CUT = "", b""


@dataclass
class Faults:
    """The faults that the next requests meet, each one or none, and the requests that were made."""

    next: list[Fault | None] = field(default_factory=list)
    always: Fault | None = None
    requests: list[str] = field(default_factory=list)
    delay: float = 0.0
    """Seconds before each answer."""

    def around(self, application: Application) -> Application:
        """Return the application with its faults."""

        def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            self.requests.append(f"{environ['REQUEST_METHOD']} {environ.get('HTTP_RANGE', '')}")
            time.sleep(self.delay)
            fault = self.always or (self.next.pop(0) if self.next else None)
            if fault is None:
                return application(environ, start_response)
            if fault is Fault.CUT:
                return _halve(application(environ, start_response))
            status, body = fault.value
            start_response(status, [("Content-Length", str(len(body)))])
            return [body]

        return answer


@dataclass
class ServedStore:
    """A running server: its connection as settings have it, the URL of a folder, and how to change files there."""

    connection: dict[str, Any]
    root: str
    put: Callable[[str, bytes], None]
    names: Callable[[], set[str]]
    faults: Faults


@contextmanager
def s3_server(bucket: str = "landing", host: str = HOST) -> Iterator[ServedStore]:
    """Run an S3 server with one bucket, which holds nothing."""
    faults = Faults()
    application = DomainDispatcherApplication(create_backend_app)
    with _serving(faults.around(application), host=host) as port:
        login: dict[str, str] = {"access_key_id": "AKIA", "secret_access_key": "secret"}
        known = {"endpoint": f"http://{host}:{port}", "region": _REGION, **login}
        store = S3Store(bucket, client_options={"allow_http": True}, **known)  # type: ignore[arg-type]
        httpx.put(f"{known['endpoint']}/{bucket}").raise_for_status()
        served = ServedStore(
            {"kind": "s3", "bucket": bucket, **known},
            f"s3://{bucket}/",
            partial(_put, store),
            lambda: {meta["path"] for page in obstore.list(store) for meta in page},
            faults,
        )
        try:
            yield served
        finally:
            # Its objects belong to the process, not to the server.
            httpx.post(f"{known['endpoint']}/moto-api/reset").raise_for_status()


@contextmanager
def https_server(folder: Path, *, ranges: bool = True) -> Iterator[ServedStore]:
    """Serve the files of a folder, with ranges or without."""

    @Request.application
    def files(request: Request) -> Any:
        return send_from_directory(folder, request.path[1:], request.environ, conditional=ranges)

    with https_application(folder, files) as served:
        yield served


@contextmanager
def https_application(folder: Path, application: Application) -> Iterator[ServedStore]:
    """Serve what an application answers; the server's certificate lies beside the folder."""
    faults = Faults()
    certificate = make_certificate(folder.parent / f"{folder.name}-tls", HOST)
    with _serving(faults.around(application), certificate.paths) as port:
        connection = {
            "kind": "https",
            "host": HOST,
            "port": port,
            "certificate_authority": certificate.text,
            "is_private": True,
        }
        yield ServedStore(connection, f"https://{HOST}:{port}/", *folder_writers(folder), faults)


def folder_writers(folder: Path) -> tuple[Callable[[str, bytes], None], Callable[[], set[str]]]:
    """Return how files below a folder are put there, whole, and listed."""

    def put(key: str, data: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        (folder / ".part").write_bytes(data)
        (folder / ".part").rename(path)

    def names() -> set[str]:
        found = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)) for path in found}

    return put, names


@contextmanager
def _serving(
    application: Application, certificate: tuple[str, str] | None = None, host: str = HOST
) -> Iterator[int]:
    """Serve an application at a free port while the block runs."""
    server = make_server(
        host, 0, application, threaded=True, request_handler=_Quiet, ssl_context=certificate
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # the library's own name
        """Log nothing."""


def _halve(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Yield half of a body, then break off."""
    body = b"".join(pieces)
    close = getattr(pieces, "close", None)
    if close is not None:
        close()
    yield body[: len(body) // 2]
    raise ConnectionAbortedError


def _put(store: S3Store, key: str, data: bytes) -> None:
    obstore.put(store, key, data)
