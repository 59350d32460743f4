"""Files of an SFTP server, read as much at a time as its connection carries."""

import asyncio
import posixpath
import stat
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

import asyncssh

from libs.common.errors import SourceError
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.connections import SftpServer, reveal
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
_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 60.0
_KEEPALIVE_SECONDS = 15
_REFUSALS = (
    asyncssh.KeyImportError,
    asyncssh.KeyEncryptionError,
    asyncssh.PermissionDenied,
    asyncssh.HostKeyNotVerifiable,
    asyncssh.KeyExchangeFailed,
    asyncssh.SFTPPermissionDenied,
)
_MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPNotADirectory)
_FAULTS = (asyncssh.Error, OSError, TimeoutError)

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
        refuse_private(self._connection, self.name)
        return self._ask(key, partial(self._stat, key))

    def list_files(self, folder: str, depth: int | None = None) -> Iterator[StoredFile]:
        """Yield the files below a folder, links to files too; what is not there is empty."""
        folders = [(folder, 1)]
        while folders:
            inner, level = folders.pop()
            try:
                found, below = self._ask(inner, partial(_look_into, inner))
            except SourceError as exc:
                if exc.code != "source-missing":
                    raise
                continue
            yield from found
            if depth is None or level < depth:
                folders += [(each, level + 1) for each in below]

    def read(self, key: str, start: int, end: int, seen: SourceIdentity) -> bytes:
        """Return a range of the file, if it is as it was seen."""
        return self._ask(key, partial(self._read, key, start, end, seen))

    def move(self, key: str, to: str, seen: SourceIdentity) -> bool:
        """Rename a file; what turns out to be another one goes back, unless there is one again."""
        return self._ask(key, partial(self._move, key, to, seen))

    def delete(self, key: str, seen: SourceIdentity) -> bool:
        """Remove a file once it has left its place, so that nothing else is removed.

        It goes to a name of its own, so that a removal that was cut off there ends with the next one.
        """
        name = version_number(f"{key} {seen}")
        aside = posixpath.join(posixpath.dirname(key), f".adsp-{name:014x}")
        if not self.move(key, aside, seen):
            return False
        self._ask(aside, partial(_remove, aside))
        return True

    async def _move(
        self, key: str, to: str, seen: SourceIdentity, client: asyncssh.SFTPClient
    ) -> bool:
        """Do so, once more where the answer to an earlier try was lost."""
        try:
            now = await self._stat(key, client)
        except _MISSING:
            if await self._stat(to, client) == seen:
                return True
            raise
        if now != seen:
            return False
        await _require_folder(posixpath.dirname(_path(to)), client)
        await client.rename(_path(key), _path(to))
        if await self._stat(to, client) == seen:
            return True
        if not await client.exists(_path(key)):
            await client.rename(_path(to), _path(key))
        return False

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


class _Opened(NamedTuple):
    connection: asyncssh.SSHClientConnection
    client: asyncssh.SFTPClient


class _Session:
    """A connection that is made when it is needed, and once more after a fault."""

    def __init__(self, connection: SftpServer) -> None:
        self._connection = connection
        self._making = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connecting = asyncio.Lock()
        self._opened: _Opened | None = None

    def run(self, work: Work[Answer]) -> Answer:
        """Do some work with a client and return its answer."""
        future = asyncio.run_coroutine_threadsafe(self._run(work), self._running_loop())
        try:
            return future.result(2 * _ANSWER_SECONDS)
        finally:
            future.cancel()

    async def _run(self, work: Work[Answer]) -> Answer:
        opened: _Opened | None = None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                opened = await self._open()
                return await work(opened.client)
        except (
            asyncssh.SFTPConnectionLost,
            asyncssh.SFTPNoConnection,
            asyncssh.DisconnectError,
            OSError,
        ):
            if opened is not None:
                opened.connection.abort()
            raise

    async def _open(self) -> "_Opened":
        """Return the open connection; of several that need one anew one makes it."""
        async with self._connecting:
            if self._opened is None or self._opened.connection.is_closed():
                self._opened = await self._connect()
            return self._opened

    async def _connect(self) -> "_Opened":
        known = self._connection
        key = known.private_key
        connection = await asyncssh.connect(
            known.host,
            known.port,
            username=known.user,
            password=reveal(known.password),
            client_keys=[asyncssh.import_private_key(reveal(key) or "", reveal(known.passphrase))]
            if key
            else None,
            known_hosts=([asyncssh.import_public_key(known.host_key)], [], []),
            config=None,
            agent_path=None,
            connect_timeout=_CONNECT_SECONDS,
            login_timeout=_CONNECT_SECONDS,
            keepalive_interval=_KEEPALIVE_SECONDS,
        )
        try:
            # A name that is not UTF-8 is one of many in its folder: the others can be loaded.
            client = await connection.start_sftp_client(path_errors="surrogateescape")
        except BaseException:
            connection.abort()
            raise
        return _Opened(connection, client)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._making:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="sftp", daemon=True).start()
            return self._loop


async def _look_into(
    folder: str, client: asyncssh.SFTPClient
) -> tuple[list[StoredFile], list[str]]:
    """Return the files of a folder and the folders in it."""
    files: list[StoredFile] = []
    folders: list[str] = []
    async for entry in client.scandir(_path(folder)):
        name, seen = str(entry.filename), entry.attrs
        key = posixpath.join(folder, name)
        if stat.S_ISLNK(seen.permissions or 0):
            with suppress(asyncssh.SFTPError):  # it leads nowhere
                target = await client.stat(_path(key))
                seen = target if stat.S_ISREG(target.permissions or 0) else seen
        mode = seen.permissions or 0
        if stat.S_ISREG(mode):
            files.append(StoredFile(key, _identity_of(seen)))
        elif stat.S_ISDIR(mode) and name not in {".", ".."}:
            folders.append(key)
    return files, folders


async def _require_folder(path: str, client: asyncssh.SFTPClient) -> None:
    """Make a folder that is not there; without it a rename would say that the file is missing, as if it were done."""
    try:
        await client.mkdir(path)
    except asyncssh.SFTPError:
        if not await client.isdir(path):
            raise


async def _remove(key: str, client: asyncssh.SFTPClient) -> None:
    with suppress(*_MISSING):  # the answer to an earlier try was lost
        await client.remove(_path(key))


def _path(key: str) -> str:
    return f"/{key}"


def _identity_of(attributes: asyncssh.SFTPAttrs) -> SourceIdentity:
    """Return what tells versions apart: size and time alone, as such servers show no more."""
    return SourceIdentity(attributes.size or 0, (attributes.mtime or 0) * _SECOND, 0, OBJECT_DEVICE)


def _may_pass(exc: Exception) -> bool:
    return isinstance(exc, _FAULTS) and not isinstance(exc, (*_REFUSALS, *_MISSING))
