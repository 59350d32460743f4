"""Files of an SFTP server, read as much at a time as its connection carries."""

import asyncio
import posixpath
import stat
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, cast

import asyncssh

from libs.common.errors import SourceError
from libs.common.ids import uuid7
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.connections import SftpServer
from libs.common.sources.stores.private_addresses import refuse_private
from libs.common.sources.stores.retries import Answer, Retries
from libs.common.sources.stores.store import OBJECT_DEVICE, Store, StoredFile, StoreFault

_SECOND = 1_000_000_000
_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 60.0
_KEEPALIVE_SECONDS = 15
_REFUSALS = (
    asyncssh.PermissionDenied,
    asyncssh.HostKeyNotVerifiable,
    asyncssh.KeyExchangeFailed,
    asyncssh.SFTPPermissionDenied,
)
_MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPNotADirectory)
_FAULTS = (asyncssh.Error, OSError, TimeoutError, FutureTimeoutError)

Work = Callable[[asyncssh.SFTPClient], Coroutine[Any, Any, Answer]]


class SftpStore(Store):
    """The files of one server; a key is a path without its first slash."""

    is_atomic: ClassVar[bool] = False

    def __init__(self, name: str, connection: SftpServer) -> None:
        """Connect when something is asked for."""
        super().__init__(name, connection.root)
        self._connection = connection
        self._retries = Retries(connection.kind, name)
        self._session = _Session(connection)

    def stat(self, key: str) -> SourceIdentity:
        """Look at a file; links are followed there."""
        if not self._connection.is_private:
            refuse_private(self._connection.host, self._connection.port, self.name)
        return self._ask(key, partial(self._stat, key))

    def list_files(self, folder: str) -> Iterator[StoredFile]:
        """Yield the files below a folder; what is not there is empty."""
        try:
            yield from self._ask(folder, partial(_walk, folder))
        except SourceError as exc:
            if exc.code != "source-missing":
                raise

    def read(self, key: str, start: int, end: int, seen: SourceIdentity) -> bytes:
        """Return a range of the file, if it is as it was seen."""
        return self._ask(key, partial(self._read, key, start, end, seen))

    def move(self, key: str, to: str, seen: SourceIdentity) -> bool:
        """Rename a file; what turns out to be another one goes back, unless there is one again."""
        if self.stat(key) != seen:
            return False
        self._ask(key, partial(_rename, key, to))
        if self.stat(to) == seen:
            return True
        self._ask(to, partial(_rename, to, key))
        return False

    def delete(self, key: str, seen: SourceIdentity) -> bool:
        """Remove a file once it has left its place, so that nothing else is removed."""
        aside = posixpath.join(posixpath.dirname(key), f".adsp-{uuid7()}")
        if not self.move(key, aside, seen):
            return False
        self._ask(aside, partial(_remove, aside))
        return True

    async def _stat(self, key: str, client: asyncssh.SFTPClient) -> SourceIdentity:
        return self._identify(key, await client.stat(_path(key)))

    async def _read(
        self, key: str, start: int, end: int, seen: SourceIdentity, client: asyncssh.SFTPClient
    ) -> bytes:
        async with client.open(_path(key), "rb", encoding=None) as file:
            data = await file.read(end - start, start)
            if self._identify(key, await file.stat()) != seen:
                raise self.changed(key)
        return cast(bytes, data)

    def _identify(self, key: str, attributes: asyncssh.SFTPAttrs) -> SourceIdentity:
        if not stat.S_ISREG(attributes.permissions or 0):
            raise SourceError(
                "source-not-regular",
                f"{self.root}{key} is not a regular file (but a folder, pipe or device); name a file",
            )
        return _identity_of(attributes)

    def _ask(self, key: str, work: Work[Answer]) -> Answer:
        """Have something done over the connection, again where its fault may pass."""
        try:
            return self._retries.run(partial(self._session.run, work), _may_pass)
        except _MISSING as exc:
            raise self.missing(key) from exc
        except _REFUSALS as exc:
            raise self.refused(key, str(exc)) from exc
        except _FAULTS as exc:
            raise StoreFault(
                f"{self.root}{key} could not be read: {str(exc) or type(exc).__name__}"
            ) from exc


class _Session:
    """A connection that is made when it is needed, and once more after a fault."""

    def __init__(self, connection: SftpServer) -> None:
        self._connection = connection
        self._making = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened: tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient] | None = None

    def run(self, work: Work[Answer]) -> Answer:
        """Do some work with a client and return its answer."""
        future = asyncio.run_coroutine_threadsafe(self._run(work), self._running_loop())
        try:
            return future.result(_ANSWER_SECONDS)
        finally:
            future.cancel()

    async def _run(self, work: Work[Answer]) -> Answer:
        try:
            return await work(await self._client())
        except (
            asyncssh.SFTPConnectionLost,
            asyncssh.SFTPNoConnection,
            asyncssh.DisconnectError,
            OSError,
        ):
            self._drop()
            raise

    async def _client(self) -> asyncssh.SFTPClient:
        if self._opened is None or self._opened[0].is_closed():
            known = self._connection
            key = known.private_key
            connection = await asyncssh.connect(
                known.host,
                known.port,
                username=known.user,
                password=_reveal(known.password),
                client_keys=[
                    asyncssh.import_private_key(_reveal(key) or "", _reveal(known.passphrase))
                ]
                if key
                else None,
                known_hosts=([asyncssh.import_public_key(known.host_key)], [], []),
                config=None,
                agent_path=None,
                connect_timeout=_CONNECT_SECONDS,
                login_timeout=_CONNECT_SECONDS,
                keepalive_interval=_KEEPALIVE_SECONDS,
            )
            self._opened = connection, await connection.start_sftp_client()
        return self._opened[1]

    def _drop(self) -> None:
        if self._opened is not None:
            self._opened[0].abort()
            self._opened = None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._making:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="sftp", daemon=True).start()
            return self._loop


async def _walk(folder: str, client: asyncssh.SFTPClient) -> list[StoredFile]:
    found: list[StoredFile] = []
    folders = [folder]
    while folders:
        inner = folders.pop()
        async for entry in client.scandir(_path(inner)):
            name, mode = str(entry.filename), entry.attrs.permissions or 0
            key = posixpath.join(inner, name)
            if stat.S_ISREG(mode):
                found.append(StoredFile(key, _identity_of(entry.attrs)))
            elif stat.S_ISDIR(mode) and name not in {".", ".."}:
                folders.append(key)
    return found


async def _rename(key: str, to: str, client: asyncssh.SFTPClient) -> None:
    with suppress(asyncssh.SFTPError):
        await client.mkdir(posixpath.dirname(_path(to)))
    await client.rename(_path(key), _path(to))


async def _remove(key: str, client: asyncssh.SFTPClient) -> None:
    await client.remove(_path(key))


def _path(key: str) -> str:
    return f"/{key}"


def _identity_of(attributes: asyncssh.SFTPAttrs) -> SourceIdentity:
    """Return what tells versions apart: size and time alone, as such servers show no more."""
    return SourceIdentity(attributes.size or 0, (attributes.mtime or 0) * _SECOND, 0, OBJECT_DEVICE)


def _reveal(secret: Any) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def _may_pass(exc: Exception) -> bool:
    return isinstance(exc, _FAULTS) and not isinstance(exc, (*_REFUSALS, *_MISSING))
