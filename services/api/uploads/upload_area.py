"""Keep uploaded files: whole under their final name, or not at all.

    body ──blocks──► <upload_dir>/<day>/<uuid7>/.<filename>.part
                          └──fsync, rename──► <upload_dir>/<day>/<uuid7>/<filename>

A job never sees the name of a file that is still growing, and nothing is left of an upload that
broke off; `abandoned_uploads` sees to those whose api was killed.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from libs.common.ids import uuid7
from libs.common.sources.upload_folders import upload_folder
from services.api.errors.problems import ProblemError, unavailable

DEFAULT_NAME = "upload.csv"
PART_SUFFIX = ".part"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME = 100
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def safe_filename(given: str | None) -> str:
    """Return a name that means one plain file everywhere, as like the given one as can be."""
    last = PurePosixPath((given or "").replace("\\", "/")).name
    return _UNSAFE.sub("_", last).lstrip(".")[-_MAX_NAME:].lstrip(".") or DEFAULT_NAME


@dataclass(frozen=True)
class StoredUpload:
    """A whole file in the upload area; `digest` is the SHA-256 of its bytes, hex."""

    path: Path
    size: int
    digest: str

    def discard(self) -> None:
        """Remove the file: no job will load it."""
        shutil.rmtree(self.path.parent, ignore_errors=True)


class IncomingUpload:
    """A file that is being written; `keep` makes it whole, `discard` removes every trace."""

    def __init__(self, area: Path, filename: str, max_bytes: int) -> None:
        """Make a folder below the area and open the file under a temporary name."""
        self._area = area
        self._folder = folder = area / upload_folder(uuid7())
        self._path = folder / filename
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._size = 0
        folder.mkdir(parents=True)
        self._part = folder / f".{filename}{PART_SUFFIX}"
        self._file = self._part.open("xb", buffering=0)

    @classmethod
    def begin(cls, upload_dir: Path, filename: str, max_bytes: int) -> Self:
        """Begin an upload in a folder of its own."""
        with storage_faults(upload_dir):
            return cls(upload_dir.resolve(), filename, max_bytes)

    def write(self, block: bytes) -> None:
        """Append a block, or raise the problem that ends the upload."""
        self._size += len(block)
        if self._size > self._max_bytes:
            raise too_large(self._max_bytes)
        self._digest.update(block)
        with storage_faults(self._area):
            rest = memoryview(block)
            while rest:
                rest = rest[self._file.write(rest) :]

    def keep(self, named: Callable[[str], str] | None = None) -> StoredUpload:
        """Put the whole file on disk under its final name, that which `named` makes of its digest."""
        digest = self._digest.hexdigest()
        if named is not None:
            self._path = self._folder / named(digest)
        with storage_faults(self._area):
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.rename(self._path)
            for folder in (self._folder, self._folder.parent, self._area):
                _sync_folder(folder)
        return StoredUpload(self._path, self._size, digest)

    def discard(self) -> None:
        """Remove what was written."""
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def too_large(max_bytes: int) -> ProblemError:
    """Make the problem for a file beyond the cap."""
    return ProblemError(
        413,
        "upload-too-large",
        f"the file has more than {max_bytes} bytes; split it, send it compressed, or raise "
        "ADSP_MAX_UPLOAD_BYTES",
    )


@contextmanager
def storage_faults(upload_dir: Path) -> Iterator[None]:
    """Turn trouble with the disk into the problem that says what to do."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _FULL:
            raise ProblemError(
                507,
                "upload-area-full",
                f"the upload area {upload_dir} is full; free some space there",
            ) from exc
        raise unavailable(
            "upload-area-unusable",
            f"the upload area {upload_dir} cannot be written ({exc.strerror}); "
            "fix it, or set ADSP_UPLOAD_DIR to another folder",
        ) from exc


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
