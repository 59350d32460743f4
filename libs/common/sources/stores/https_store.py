"""Files of an HTTPS server: read in ranges where it can, else fetched as a whole."""

import email.utils
import io
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import ClassVar, NoReturn, cast

import httpx

from libs.common.errors import SourceError
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.connections import HttpsServer, reveal
from libs.common.sources.stores.private_addresses import refuse_private
from libs.common.sources.stores.retries import Answer, Retries
from libs.common.sources.stores.store import (
    OBJECT_DEVICE,
    Store,
    StoredFile,
    StoreFault,
    version_number,
)

_SECOND = 1_000_000_000
_PATIENCE = 30.0
_TIMEOUT = httpx.Timeout(_PATIENCE, connect=5.0)
_LEAST_RATE = 16 << 10
"""Bytes a second, beside that time."""
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_UNSATISFIABLE = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
_MISSING = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


class HttpsStore(Store):
    """The files below one host. Redirects are not followed, since they could lead anywhere."""

    is_atomic: ClassVar[bool] = False
    can_list: ClassVar[bool] = False
    can_change: ClassVar[bool] = False

    def __init__(self, name: str, connection: HttpsServer) -> None:
        """Ask nothing of the server yet."""
        super().__init__(name, connection.root)
        self._connection = connection
        self._retries = Retries(connection.kind, name)
        self._client = _make_client(connection)

    def stat(self, key: str) -> SourceIdentity:
        """Ask for the file's head: its length, which must be there, its time and its tag."""
        refuse_private(self._connection, self.name)
        return self._ask(key, lambda: self._identify(key, self._client.head(self._url(key))))

    def list_files(self, folder: str, depth: int | None = None) -> Iterator[StoredFile]:
        """Raise: there is no listing."""
        raise NotImplementedError(folder, depth)

    def open(self, key: str) -> io.RawIOBase:
        """Open a file; from a server without ranges it is fetched into a file without a name first."""
        seen = self.stat(key)
        return self._ask(key, lambda: self._fetch(key, seen)) or super().open(key)

    def read(self, key: str, start: int, end: int, seen: SourceIdentity) -> bytes:
        """Return a range of the file, if it is still that version."""
        return self._ask(key, lambda: self._read(key, start, end, seen))

    def move(self, key: str, to: str, seen: SourceIdentity) -> NoReturn:
        """Raise: files can be read alone."""
        raise NotImplementedError(key, to, seen)

    def delete(self, key: str, seen: SourceIdentity) -> NoReturn:
        """Raise: files can be read alone."""
        raise NotImplementedError(key, seen)

    def _identify(self, key: str, answer: httpx.Response) -> SourceIdentity:
        self._require(key, answer, HTTPStatus.OK)
        length = answer.headers.get("content-length")
        if length is None:
            raise SourceError(
                "source-not-regular",
                f"the server does not say how long {answer.url} is; have it answer HEAD with a Content-Length",
            )
        return SourceIdentity(int(length), *_marks(answer), OBJECT_DEVICE)

    def _fetch(self, key: str, seen: SourceIdentity) -> io.RawIOBase | None:
        """Return the whole file where the server knows no ranges, None where it does."""
        headers = {"Range": "bytes=0-"}
        with self._client.stream("GET", self._url(key), headers=headers) as answer:
            if answer.status_code in {HTTPStatus.PARTIAL_CONTENT, _UNSATISFIABLE}:
                return None
            self._require(key, answer, HTTPStatus.OK)
            if _marks(answer) != (seen.mtime_ns, seen.inode):
                raise self.changed(key)
            with ExitStack() as opened:
                temporary = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # of the stack
                file = opened.enter_context(cast(io.RawIOBase, temporary))
                for data in self._pieces(key, answer, seen.size):
                    _write(file, data)
                if file.seek(0, os.SEEK_END) != seen.size:
                    raise self.changed(key)
                file.seek(0)
                opened.pop_all()  # the caller closes it
        return file

    def _read(self, key: str, start: int, end: int, seen: SourceIdentity) -> bytes:
        headers = {"Range": f"bytes={start}-{end - 1}"}
        with self._client.stream("GET", self._url(key), headers=headers) as answer:
            self._require(key, answer, HTTPStatus.PARTIAL_CONTENT)
            sent = answer.headers.get("content-range", "")
            asked = {f"bytes {start}-{end - 1}/{size}" for size in (seen.size, "*")}
            if sent not in asked or _marks(answer) != (seen.mtime_ns, seen.inode):
                raise self.changed(key)
            return b"".join(self._pieces(key, answer, end - start))

    def _pieces(self, key: str, answer: httpx.Response, most: int) -> Iterator[bytes]:
        """Yield a body as it is stored: one without end fills neither disk nor memory, one that drips ends."""
        start, received = time.monotonic(), 0
        for data in answer.iter_raw():
            received += len(data)
            if received > most:
                raise self.changed(key)
            if time.monotonic() - start > _PATIENCE + received / _LEAST_RATE:
                raise httpx.ReadTimeout("the body came too slowly")
            yield data

    def _url(self, key: str) -> str:
        """Return the URL of a file; what stands behind a `#` would not be sent."""
        return self.root + key.replace("#", "%23")

    def _require(self, key: str, answer: httpx.Response, status: HTTPStatus) -> None:
        """Raise unless the server answered with a status."""
        code = answer.status_code
        if code == status:
            return
        if code in _MISSING:
            raise self.missing(key)
        if code in _PASSING:
            answer.raise_for_status()
        if code in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, _UNSATISFIABLE}:
            raise self.changed(key)
        raise self.refused(key, f"{code} {answer.reason_phrase}")

    def _ask(self, key: str, request: Callable[[], Answer]) -> Answer:
        """Make a request, again where its fault may pass."""
        try:
            return self._retries.run(request, lambda exc: isinstance(exc, httpx.HTTPError))
        except httpx.InvalidURL as exc:
            raise self.missing(key) from exc
        except httpx.HTTPError as exc:
            said = type(exc).__name__
            if isinstance(exc, httpx.HTTPStatusError):
                said = f"{exc.response.status_code} {exc.response.reason_phrase}"
            raise StoreFault(f"{self.root}{key} could not be read: {said}") from exc


def _make_client(connection: HttpsServer) -> httpx.Client:
    trusted = ssl.create_default_context()
    if connection.certificate_authority is not None:
        trusted.load_verify_locations(cadata=connection.certificate_authority)
    headers = {"Accept-Encoding": "identity"}
    if connection.token is not None:
        headers["Authorization"] = f"Bearer {connection.token.get_secret_value()}"
    login = None
    if connection.user is not None:
        login = httpx.BasicAuth(connection.user, reveal(connection.password) or "")
    return httpx.Client(
        verify=trusted, timeout=_TIMEOUT, trust_env=False, auth=login, headers=headers
    )


def _marks(answer: httpx.Response) -> tuple[int, int]:
    """Return time in ns and version number, each 0 where the server tells none."""
    changed, tag = answer.headers.get("last-modified"), answer.headers.get("etag")
    return _nanoseconds(changed or ""), version_number(tag.removeprefix("W/")) if tag else 0


def _nanoseconds(date: str) -> int:
    """Return the time of a date as answers have it; 0 for what is no date."""
    try:
        return int(email.utils.parsedate_to_datetime(date).timestamp()) * _SECOND
    except (ValueError, OverflowError):
        return 0


def _write(file: io.RawIOBase, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]
