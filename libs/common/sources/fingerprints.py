"""Fingerprint sources: the SHA-256 of their stored bytes, whole or part by part."""

import hashlib
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from libs.common.sources.opening import unsettled
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import Location, identity, open_stored

_HASHED_BYTES = 1 << 20
_MOST_WAITING = 8
"""So many calls wait for a thread that hashes, then who reads waits for it."""


def fingerprint(location: Location, expected: SourceIdentity | None = None) -> str:
    """Return the SHA-256 of the stored bytes, hex.

    Raises `SourceUnsettled` when the file changes while it is read, or is not the `expected` one.
    """
    before = expected or identity(location)
    digest = hashlib.sha256()
    _feed(digest, location, sys.maxsize)
    if identity(location) != before:
        raise unsettled(location)
    return digest.hexdigest()


def fingerprint_of_start(location: Location, size: int) -> str:
    """Return the SHA-256 of the first `size` stored bytes, hex: what `fingerprint` was when the file had so many."""
    digest = hashlib.sha256()
    _feed(digest, location, size)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", location: Location, size: int) -> None:
    """Feed a digest with the first `size` bytes, as far as the file goes."""
    with open_stored(location) as file:
        while size > 0 and (data := file.read(min(_HASHED_BYTES, size))):
            digest.update(data)
            size -= len(data)


class PartDigests:
    """The SHA-256 of an uncompressed source, and of each of its parts, while its stored bytes are read once.

    A part's digest is that of the source's header, which is what stands before the first cut, and of the part's own
    bytes: so the digest of a file in one part is its `fingerprint`. Bytes wait until it is settled of which part they
    are. Hashing runs in threads beside who reads, as it lets go of the interpreter.
    """

    def __init__(self) -> None:
        """Start with the first byte of the source."""
        self._whole = hashlib.sha256()
        self._part = hashlib.sha256()
        self._header: hashlib._Hash | None = None
        self._digests: list[str] = []
        self._held = bytearray()
        self._settled = 0
        self._of_whole, self._of_parts = _Beside(), _Beside()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """End the threads."""
        self._of_whole.close()
        self._of_parts.close()

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
        self._of_whole.call(self._whole.update, data)
        self._held += data

    def cut(self, place: int, /) -> None:
        """Begin a part at this offset."""
        self.settle(place)
        self._of_parts.call(self._begin_part)

    def settle(self, place: int, /) -> None:
        """Take all before this offset for bytes of the part that was begun last; they must have been taken."""
        data = bytes(memoryview(self._held)[: place - self._settled])
        del self._held[: len(data)]
        self._settled = place
        self._of_parts.call(self._part_update, data)

    def finish(self) -> tuple[str, list[str]]:
        """Return the fingerprint and the digests of the parts, hex, once all bytes were taken."""
        self.cut(self._settled + len(self._held))
        self._of_whole.close()
        self._of_parts.close()
        return self._whole.hexdigest(), self._digests

    def _part_update(self, data: bytes) -> None:
        self._part.update(data)

    def _begin_part(self) -> None:
        if self._header is None:
            self._header = self._part
        else:
            self._digests.append(self._part.hexdigest())
        self._part = self._header.copy()


class _Beside:
    """Makes calls one after the other in a thread of its own, of which few wait."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._waiting: deque[Future[None]] = deque()

    def call(self, function: Callable[..., None], *given: bytes) -> None:
        self._waiting.append(self._thread.submit(function, *given))
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft().result()

    def close(self) -> None:
        """Wait for all calls; raise what one of them has raised."""
        self._thread.shutdown()
        while self._waiting:
            self._waiting.popleft().result()
