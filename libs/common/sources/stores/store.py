"""What every kind of store can do for sources: list, look at, read in ranges, move, delete.

SourceError       there is no such file, or the store does not let this connection have it
SourceUnsettled   another version has taken the file's place
StoreFault        the store or the network failed, also after a few tries: it may pass
"""

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

from libs.common.errors import SourceError, SourceUnsettled, SystemFault
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.range_reader import RangeReader

OBJECT_DEVICE = 0
"""The device of an identity whose `inode` is made of an object's version."""


class StoreFault(SystemFault):
    """A store did not answer as it should; what was asked for may be tried again later."""


class StoredFile(NamedTuple):
    """A file that a listing has found."""

    key: str
    identity: SourceIdentity


class SignedPut(NamedTuple):
    """A request of its own right that puts one file into a store: whoever has its URL may send it."""

    url: str
    headers: Mapping[str, str]


class Store(ABC):
    """Files that one connection leads to; a key is what follows the host or bucket in a URL, without its slash."""

    is_atomic: ClassVar[bool]
    """Whether a file appears as a whole, so that nobody can see half of one."""
    can_list: ClassVar[bool] = True
    can_change: ClassVar[bool] = True

    def __init__(self, name: str, root: str) -> None:
        """Take the connection's name and the URL of its root, with a slash at its end."""
        self.name = name
        self.root = root

    @abstractmethod
    def stat(self, key: str) -> SourceIdentity:
        """Look at a file: size in bytes, time of its last change, version."""

    def exists(self, key: str) -> bool:
        """Return whether there is such a file."""
        try:
            self.stat(key)
        except SourceError as exc:
            if exc.code != "source-missing":
                raise
            return False
        return True

    @abstractmethod
    def list_files(self, folder: str, depth: int | None = None) -> Iterator[StoredFile]:
        """Yield the files below a folder, in no order.

        Those of folders in it too, as deep as `depth` says at least: 1 means no folder in it.
        """

    @abstractmethod
    def read(self, key: str, start: int, end: int, seen: SourceIdentity) -> bytes:
        """Return the bytes of a range that ends within the file, if it is still as it was `seen`."""

    def open(self, key: str) -> io.RawIOBase:
        """Open a file as it is now, to read it from any place."""
        seen = self.stat(key)
        return RangeReader(partial(self._read_exactly, key, seen), seen.size)

    def _read_exactly(self, key: str, seen: SourceIdentity, start: int, end: int) -> bytes:
        data = self.read(key, start, end, seen)
        if len(data) != end - start:
            raise self.changed(key)
        return data

    @abstractmethod
    def move(self, key: str, to: str, seen: SourceIdentity) -> bool:
        """Give a file another key if it is as it was `seen`; return whether it was."""

    @abstractmethod
    def delete(self, key: str, seen: SourceIdentity) -> bool:
        """Remove a file if it is as it was `seen`; return whether it was."""

    def put(self, key: str, path: Path) -> None:
        """Copy a file of this machine to a key, whole or not at all; raises `StoreFault`."""
        raise StoreFault(
            f"{self.root}{key} cannot be written: ADSP puts files into buckets alone ({path.name})"
        )

    def copy(self, key: str, to: str) -> None:
        """Copy a file to another key, whole or not at all; raises `SourceError` and `StoreFault`."""
        raise StoreFault(
            f"{self.root}{key} cannot be copied to {to}: ADSP copies files of buckets alone"
        )

    def sign_put(self, key: str, lasts: timedelta) -> SignedPut:
        """Return a request that puts a file at a key and needs no credentials; it may be begun for as long as it lasts.

        Raises `SourceError` where the connection cannot sign.
        """
        raise self.cannot_sign(f"it is no bucket, and {lasts} or {key!r} change nothing of that")

    def cannot_sign(self, reason: str) -> SourceError:
        """Make the error for a connection whose credentials cannot sign."""
        return SourceError(
            "store-cannot-sign",
            f"connection {self.name!r} can sign no URL ({reason}); give it a key that can (ADSP_CONNECTIONS: an access "
            "key of S3, a service account's key of Google, an account key of Azure), or send the file through the api: "
            "POST /v1/datasets/{name}/uploads",
        )

    def missing(self, key: str) -> SourceError:
        """Make the error for a file that is not there."""
        return SourceError(
            "source-missing", f"there is no file {self.root}{key}; put it there or correct 'source'"
        )

    def changed(self, key: str) -> SourceUnsettled:
        """Make the error for a file whose place another version has taken."""
        return SourceUnsettled(
            "source-changing",
            f"{self.root}{key} was replaced while it was read; trigger the job again once its sender is done",
        )

    def refused(self, key: str, reason: str) -> SourceError:
        """Make the error for what the store does not let this connection do."""
        return SourceError(
            "source-not-allowed",
            f"the store refused connection {self.name!r} at {self.root}{key} ({reason}); see that its credentials are "
            "valid and may list and read there (ADSP_CONNECTIONS), then trigger the job again",
        )


def version_number(version: str) -> int:
    """Return the `inode` of an identity: a number that stands for a version or ETag."""
    return int.from_bytes(hashlib.sha256(version.encode()).digest()[:7], "big")
