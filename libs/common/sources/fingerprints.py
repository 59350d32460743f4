"""Fingerprint sources: the SHA-256 of their stored bytes, whole or part by part."""

import hashlib
import io
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from libs.common.sources.opening import unsettled
from libs.common.sources.regular_files import SourceIdentity, identify_open, identity, open_regular

_HASHED_BYTES = 1 << 20


def fingerprint(path: Path, expected: SourceIdentity | None = None) -> str:
    """Return the SHA-256 of the stored bytes, hex.

    Raises `SourceUnsettled` when the file changes while it is read, or is not the `expected` one.
    """
    with open_regular(path) as file:
        before = identify_open(path, os.fstat(file.fileno()))
        digest = hashlib.file_digest(file, "sha256")
    if identity(path) != before or before != (expected or before):
        raise unsettled(path)
    return digest.hexdigest()


def digest_parts(path: Path, header_end: int, starts: Sequence[int]) -> list[str]:
    """Return the SHA-256 of each part of an uncompressed source, hex: of its header and of the part's own bytes.

    The parts begin at `starts`, the first behind the header; each ends where the next begins, the last with the file.
    So the digest of a file in one part is its `fingerprint`.
    """
    # Two threads, as hashing lets go of the interpreter; the file was read before, so that it comes from memory.
    with open_regular(path) as file, ThreadPoolExecutor(2, thread_name_prefix="digest") as threads:
        header = hashlib.sha256()
        _feed(header, file, 0, header_end)

        def digest_of(start: int, end: int) -> str:
            digest = header.copy()
            _feed(digest, file, start, end)
            return digest.hexdigest()

        return list(threads.map(digest_of, starts, [*starts[1:], sys.maxsize]))


def fingerprint_of_start(path: Path, size: int) -> str:
    """Return the SHA-256 of the first `size` stored bytes, hex: what `fingerprint` was when the file had so many."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        _feed(digest, file, 0, size)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", file: io.FileIO, start: int, end: int) -> None:
    """Feed a digest with the bytes of a range, as far as the file goes."""
    while start < end and (data := os.pread(file.fileno(), min(_HASHED_BYTES, end - start), start)):
        digest.update(data)
        start += len(data)
