"""Fingerprint sources: the SHA-256 of their stored bytes, whole or part by part."""

import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from libs.common.sources.opening import unsettled
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import Location, identity, open_stored
from libs.common.sources.stores.range_reader import RangeReader

_HASHED_BYTES = 1 << 20


def fingerprint(location: Location, expected: SourceIdentity | None = None) -> str:
    """Return the SHA-256 of the stored bytes, hex.

    Raises `SourceUnsettled` when the file changes while it is read, or is not the `expected` one.
    """
    before = expected or identity(location)
    digest = hashlib.sha256()
    _feed(digest, location, 0, sys.maxsize)
    if identity(location) != before:
        raise unsettled(location)
    return digest.hexdigest()


def digest_parts(location: Location, header_end: int, starts: Sequence[int]) -> list[str]:
    """Return the SHA-256 of each part of an uncompressed source, hex: of its header and of the part's own bytes.

    The parts begin at `starts`, the first behind the header; each ends where the next begins, the last with the file.
    So the digest of a file in one part is its `fingerprint`.
    """
    header = hashlib.sha256()
    _feed(header, location, 0, header_end)

    def digest_of(start: int, end: int) -> str:
        digest = header.copy()
        _feed(digest, location, start, end)
        return digest.hexdigest()

    # Two threads, as hashing lets go of the interpreter; the file was read before, so that it comes from memory.
    with ThreadPoolExecutor(2, thread_name_prefix="digest") as threads:
        return list(threads.map(digest_of, starts, [*starts[1:], sys.maxsize]))


def fingerprint_of_start(location: Location, size: int) -> str:
    """Return the SHA-256 of the first `size` stored bytes, hex: what `fingerprint` was when the file had so many."""
    digest = hashlib.sha256()
    _feed(digest, location, 0, size)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", location: Location, start: int, end: int) -> None:
    """Feed a digest with the bytes of a range, as far as the file goes."""
    with open_stored(location) as file:
        file.seek(start)
        if isinstance(file, RangeReader):
            file.expect_end(end)
        while start < end and (data := file.read(min(_HASHED_BYTES, end - start))):
            digest.update(data)
            start += len(data)
