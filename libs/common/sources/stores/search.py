"""Find the files of stores that a URL or pattern means."""

import fnmatch
import glob
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import unquote

from libs.common.errors import SourceError
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.source_areas import SourceAreas
from libs.common.sources.stores.connections import Connection, Connections, HttpsServer, SftpServer
from libs.common.sources.stores.locations import Location, RemoteFile
from libs.common.sources.stores.store import Store

FILE_SCHEME = "file://"
_MOST_LISTED = 1_000_000


def is_url(text: str) -> bool:
    """Return whether a source is named by the URL of a store; that of a file is another word for its path."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.isalnum() and not text.startswith(f"{FILE_SCHEME}/")


def locate(url: str, connections: Connections) -> RemoteFile:
    """Return the file that a URL names, whether it is there or not; raises `SourceError` where none may lie."""
    found = connections.find(url)
    if found is None or _climbs(url):
        raise _not_allowed(url, connections)
    name, connection = found
    key = url.removeprefix(connection.root)
    if not key or "" in key.split("/"):
        raise SourceError("source-missing", f"{url} names no file; correct 'source'")
    return RemoteFile(url, key, _require_store(name, connection))


def _climbs(url: str) -> bool:
    """Return whether a server might leave a folder of the URL: some decode it, or take a backslash for a slash."""
    while (plain := unquote(url)) != url:
        url = plain
    return any(part.partition(";")[0] == ".." for part in re.split(r"[/\\?#]", url))


def locate_allowed(url: str, areas: SourceAreas) -> RemoteFile:
    """Do so where the file may be named; raises `SourceError` for one of the upload area, too."""
    if areas.hides_url(url):
        raise in_upload_area(url)
    return locate(url, areas.connections)


def find_remote(text: str, areas: SourceAreas) -> Mapping[Location, SourceIdentity]:
    """Return all files that a URL or pattern means, one at least; a file of that very name comes before a pattern.

    A wildcard means no slash, and as in a shell no dot at the start of a name.
    """
    named = locate_allowed(text, areas)
    try:
        return {named: named.store.stat(named.key)}
    except SourceError as exc:
        if exc.code != "source-missing" or not glob.has_magic(named.key):
            raise
    matches = _matches(named)
    found = {file: seen for file, seen in matches if not areas.hides_url(str(file))}
    if not found:
        raise SourceError(
            "source-missing", f"no file matches {text!r}; put it there or correct 'source'"
        )
    return found


def _matches(pattern: RemoteFile) -> Iterator[tuple[Location, SourceIdentity]]:
    store = pattern.store
    if not store.can_list:
        raise SourceError(
            "source-missing",
            f"{pattern} holds wildcards, but such a server has no listing; name the file, with its date "
            "({data_date}, {data_date:%Y%m%d})",
        )
    parts = pattern.key.split("/")
    wild = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    listing = store.list_files("/".join(parts[:wild]), depth=len(parts) - wild)
    for number, (key, seen) in enumerate(listing):
        if number >= _MOST_LISTED:
            raise SourceError(
                "source-ambiguous",
                f"there are more than {_MOST_LISTED} files below the folder of {pattern}; name a folder that holds "
                "fewer, for example one a day",
            )
        # Without a byte it may be the marker of a folder in a bucket, and no file.
        if _fits(key.split("/"), parts) and (seen.size > 0 or store.exists(key)):
            yield RemoteFile(store.root + key, key, store), seen


def _fits(names: list[str], patterns: list[str]) -> bool:
    return len(names) == len(patterns) and all(
        fnmatch.fnmatchcase(name, pattern) and name.startswith(".") <= pattern.startswith(".")
        for name, pattern in zip(names, patterns, strict=True)
    )


def in_upload_area(text: str) -> SourceError:
    """Make the error for a file of the upload area that a request names."""
    return SourceError(
        "source-not-allowed",
        f"{text} leads to the upload area, whose files no request can name; send the file to the "
        "dataset's uploads, or put it elsewhere",
    )


def _not_allowed(url: str, connections: Connections) -> SourceError:
    places = ", ".join(connections.places()) or "none"
    return SourceError(
        "source-not-allowed",
        f"no connection leads to {url} (they lead to: {places}); correct 'source', or have an administrator add the "
        "place to ADSP_CONNECTIONS",
    )


def _require_store(name: str, connection: Connection) -> Store:
    """Return the store of a connection; raises `SourceError` where what it holds is of no use."""
    try:
        return _store_of(name, connection)
    except Exception as exc:  # noqa: BLE001  # each library has its own; what they say may repeat a key
        raise SourceError(
            "source-not-allowed",
            f"connection {name!r} cannot be used ({type(exc).__name__}): a key, a certificate or an address of it "
            "cannot be read; correct it in ADSP_CONNECTIONS and restart the services",
        ) from None


@lru_cache
def _store_of(name: str, connection: Connection) -> Store:
    """Return the store of a connection, one for each process: it keeps its connections open."""
    # Imported where they are used: most installations have one kind at most, and the libraries take memory.
    if isinstance(connection, SftpServer):
        from libs.common.sources.stores.sftp_store import SftpStore  # noqa: PLC0415

        return SftpStore(name, connection)
    if isinstance(connection, HttpsServer):
        from libs.common.sources.stores.https_store import HttpsStore  # noqa: PLC0415

        return HttpsStore(name, connection)
    from libs.common.sources.stores.object_store import ObjectStore  # noqa: PLC0415

    return ObjectStore(name, connection)
