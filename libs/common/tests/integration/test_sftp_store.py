"""What is peculiar to SFTP servers: links, names, folders that nobody may read, and connections that end."""

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import asyncssh
import pytest

from libs.common.enums import SourceMatch
from libs.common.errors import SourceError
from libs.common.sources.search import resolve_sources
from libs.common.sources.source_areas import SourceAreas
from libs.common.sources.stores import retries, sftp_store
from libs.common.sources.stores.connections import Connections
from libs.common.sources.stores.locations import RemoteFile, identity, open_stored
from libs.common.sources.stores.search import locate
from libs.common.sources.stores.store import StoreFault
from libs.devstack.testing.sftp_server import SSHD, sftp_server
from libs.devstack.testing.stores import HOST, ServedStore

pytestmark = pytest.mark.skipif(
    SSHD is None,
    reason="sshd is not installed: sudo apt-get install --no-install-recommends openssh-server",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the server shows."""
    made = tmp_path_factory.mktemp("sftp") / "files"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServedStore]:
    """Give a running server."""
    with sftp_server(folder) as served:
        yield served


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_WAITS", (0.0,) * 4)


def connections(served: ServedStore, **changes: object) -> Connections:
    """Return the connection to a server, with changes."""
    return Connections.model_validate({"c": {**served.connection, **changes}})


def file_of(served: ServedStore, key: str, data: bytes | None = None) -> RemoteFile:
    """Return a file, with new content if there is some, over a connection of its own."""
    if data is not None:
        served.put(key, data)
    return locate(served.root + key, connections(served, user=served.connection["user"]))


def found(served: ServedStore, pattern: str) -> set[str]:
    """Return the names that a pattern finds."""
    allowed = SourceAreas((), None, connections(served))
    files = resolve_sources(f"{served.root}{pattern}", allowed, SourceMatch.ALL)
    return {str(file).removeprefix(served.root) for file in files}


def test_only_folders_are_looked_into_that_a_pattern_may_mean(
    server: ServedStore, folder: Path
) -> None:
    """Others hold the files of years, or may not be read."""
    server.put("deep/a.csv", b"a")
    server.put("deep/loaded/b.csv", b"b")
    server.put("deep/loaded/c/d.csv", b"d")
    store = file_of(server, "deep/a.csv").store
    root = str(folder)[1:]

    shown = {
        depth: {
            file.key.removeprefix(f"{root}/deep/")
            for file in store.list_files(f"{root}/deep", depth)
        }
        for depth in (1, 2, None)
    }

    assert shown == {
        1: {"a.csv"},
        2: {"a.csv", "loaded/b.csv"},
        None: {"a.csv", "loaded/b.csv", "loaded/c/d.csv"},
    }
    assert found(server, "deep/*.csv") == {"deep/a.csv"}


def test_a_link_to_a_file_is_found_by_a_pattern_and_one_to_nothing_is_not(
    server: ServedStore, folder: Path
) -> None:
    server.put("links/kept/items-1.csv", b"sku\n1\n")
    (folder / "links" / "newest.csv").symlink_to("kept/items-1.csv")
    (folder / "links" / "gone.csv").symlink_to("kept/items-0.csv")
    (folder / "links" / "kept.csv").symlink_to("kept")

    assert found(server, "links/*.csv") == {"links/newest.csv"}
    assert open_stored(file_of(server, "links/newest.csv")).read() == b"sku\n1\n"


def test_a_name_that_is_not_utf_8_hinders_no_other(server: ServedStore, folder: Path) -> None:
    server.put("names/items.csv", b"sku\n")
    (folder / "names" / os.fsdecode("Auftr\xe4ge.txt".encode("latin-1"))).write_bytes(b"x")

    assert found(server, "names/*.csv") == {"names/items.csv"}
    with pytest.raises(SourceError, match="not valid UTF-8"):
        found(server, "names/*")


@pytest.mark.parametrize(
    "changes",
    [{"private_key": "S3CRET"}, {"host_key": "ssh-ed25519 AAAA"}],
    ids=["private_key", "host_key"],
)
def test_a_key_that_cannot_be_read_is_said_without_it(
    server: ServedStore, changes: dict[str, str]
) -> None:
    file = locate(f"{server.root}a.csv", connections(server, **changes))

    with pytest.raises(SourceError) as raised:
        identity(file)

    assert raised.value.code == "source-not-allowed"
    assert "S3CRET" not in raised.value.message


def test_a_move_and_a_removal_whose_answers_were_lost_end_with_the_next_try(
    server: ServedStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {name: getattr(asyncssh.SFTPClient, name) for name in ("rename", "remove")}
    lost: list[str] = []

    def losing(name: str) -> object:
        async def call(self: asyncssh.SFTPClient, *arguments: object) -> None:
            await real[name](self, *arguments)
            if lost.count(name) < 1:
                lost.append(name)
                raise asyncssh.SFTPConnectionLost("the answer was lost")

        return call

    moved, deleted = file_of(server, "lost/a.csv", b"a"), file_of(server, "lost/b.csv", b"bb")
    for name in real:
        monkeypatch.setattr(asyncssh.SFTPClient, name, losing(name))
    target = moved.key.replace("/lost/", "/lost/loaded/")

    assert moved.store.move(moved.key, target, identity(moved))
    lost.remove("rename")
    seen = identity(deleted)
    assert deleted.store.delete(deleted.key, seen)

    assert sorted(lost) == ["remove", "rename"]
    assert {name for name in server.names() if name.startswith("lost/")} == {"lost/loaded/a.csv"}


def test_a_file_that_has_nowhere_to_go_is_not_taken_for_one_that_went(server: ServedStore) -> None:
    file = file_of(server, "nowhere/a.csv", b"a")
    server.put("nowhere/loaded", b"no folder")

    with pytest.raises(StoreFault):
        file.store.move(file.key, file.key.replace("a.csv", "loaded/a.csv"), identity(file))

    assert identity(file).size == 1


def test_a_removal_that_was_cut_off_is_ended_by_the_next(
    server: ServedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(server, "cut/a.csv", b"a")
    seen = identity(file)
    with monkeypatch.context() as patched:
        patched.setattr(sftp_store, "_remove", None)
        with pytest.raises(TypeError):
            file.store.delete(file.key, seen)

    assert file.store.delete(file.key, seen)
    assert not {name for name in server.names() if name.startswith("cut/")}


def test_threads_share_one_connection_also_after_a_fault(
    server: ServedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    real = asyncssh.connect

    def connect(*arguments: object, **options: object) -> object:
        made.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(asyncssh, "connect", connect)
    file = locate(
        f"{server.root}shared.csv", connections(server, passphrase="another store than before")
    )
    server.put("shared.csv", b"x")
    with ThreadPoolExecutor(8) as threads:
        sizes = [each.size for each in threads.map(identity, [file] * 8)]
        file.store._session._opened.connection.abort()  # type: ignore[attr-defined]
        sizes += [each.size for each in threads.map(identity, [file] * 8)]

    assert sizes == [1] * 16
    assert len(made) == 2


@contextmanager
def silent_server() -> Iterator[int]:
    """Take connections at a port and say nothing."""
    with closing(socket.create_server((HOST, 0))) as listening:
        taken: list[socket.socket] = []

        def take() -> None:
            try:
                while True:
                    taken.append(listening.accept()[0])
            except OSError:
                return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for each in taken:
            each.close()


def test_a_server_that_says_nothing_is_given_up(
    server: ServedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp_store, "_CONNECT_SECONDS", 0.2)
    with silent_server() as port:
        file = locate(f"sftp://{HOST}:{port}/a.csv", connections(server, port=port))
        with pytest.raises(StoreFault):
            identity(file)
