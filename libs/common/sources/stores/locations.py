"""Say where a source is: a path of this machine, or a URL of a store that a connection leads to."""

import io
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from libs.common.sources import regular_files
from libs.common.sources.regular_files import SourceIdentity, open_regular
from libs.common.sources.stores.store import Store


@dataclass(frozen=True, order=True)
class RemoteFile:
    """A file of a store: `url` names it for people and the ledger, `key` in the store."""

    url: str
    key: str = field(compare=False)
    store: Store = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """Return what stands behind the last slash."""
        return PurePosixPath(self.key).name

    def __str__(self) -> str:
        return self.url


Location = Path | RemoteFile


def identity(location: Location) -> SourceIdentity:
    """Return what shows whether a source is still the same; raises `SourceError` where there is none."""
    if isinstance(location, RemoteFile):
        return location.store.stat(location.key)
    return regular_files.identity(location)


def version_of(location: Location) -> object:
    """Return what is another one after each change of a source, also of one that keeps size and time.

    It says nothing between machines. Raises `SourceError` where there is none.
    """
    return regular_files.version_of(location) if isinstance(location, Path) else identity(location)


def open_stored(location: Location) -> io.RawIOBase:
    """Open a source to read its stored bytes, from any place; raises `SourceError`.

    Of a store the version is read that is there now: one that takes its place meanwhile raises `SourceUnsettled`.
    """
    if isinstance(location, RemoteFile):
        return location.store.open(location.key)
    return open_regular(location)
