"""Find, identify and open sources: the only way by which user files are reached.

    job.source ──resolve_source──► path ──identity, fingerprint──► ledger
                                    └──open_source──► SourceStream ──► frames

A source lies below an allowed root after every link is followed, is a regular file, and is opened
without following links, of folders neither, and without waiting, so that a FIFO or a device can
neither be loaded nor block anyone, and no link leads elsewhere after the look.
"""

import errno
import glob
import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from libs.common.enums import SourceMatch
from libs.common.errors import SourceError, SourceUnsettled
from libs.common.sources.decoders import choose_decoder
from libs.common.sources.source_areas import SourceAreas
from libs.common.sources.stream import SourceLimits, SourceStream

__all__ = [
    "SourceIdentity",
    "SourceLimits",
    "SourceStream",
    "folder_without_links",
    "identity",
    "open_source",
    "resolve_source",
    "resolve_sources",
]

MOST_FILES = 1_000
"""A job loads at most so many files."""

_MOST_MATCHES = 10_000
_NAMED_MATCHES = 3
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL}
_NOT_REGULAR = {errno.ELOOP, errno.ENXIO, errno.EISDIR}


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """What shows whether a path still holds the same, unchanged file; `size` in bytes as stored."""

    size: int
    mtime_ns: int
    inode: int
    device: int


def resolve_source(
    pattern_or_path: str,
    areas: SourceAreas | Sequence[Path],
    match: SourceMatch = SourceMatch.ONE,
) -> Path:
    """Return the one regular file that a path or pattern means, with every link followed.

    A relative path is looked for below each root. With `newest` a glob means its newest match, of several
    as new the last by name. Raises `SourceError`: source-not-allowed,
    source-missing, source-not-regular or source-ambiguous.
    """
    takes_newest = match is SourceMatch.NEWEST and glob.has_magic(pattern_or_path)
    found = _find(pattern_or_path, areas, None if takes_newest else _MOST_MATCHES)
    newest = max(found, key=lambda path: (found[path].mtime_ns, path.name, str(path)))
    _refuse_unstorable([newest] if takes_newest else found)
    if len(found) > 1 and not takes_newest:
        raise _ambiguous(pattern_or_path, set(found))
    return newest


def resolve_sources(
    pattern_or_path: str, areas: SourceAreas | Sequence[Path], match: SourceMatch
) -> dict[Path, SourceIdentity]:
    """Return the files that a path or pattern means, by path: with `all` every match, else one.

    Raises `SourceError` as `resolve_source` does, and source-ambiguous for more than 1,000 matches.
    """
    if match is not SourceMatch.ALL:
        path = resolve_source(pattern_or_path, areas, match)
        return {path: identity(path)}
    found = _find(pattern_or_path, areas, None)
    _refuse_unstorable(found)
    if len(found) > MOST_FILES:
        raise SourceError(
            "source-ambiguous",
            f"{pattern_or_path!r} means {len(found)} files; one job loads at most {MOST_FILES}: move away what is "
            "loaded, or name the date in the dataset's source ({data_date}, {data_date:%Y%m%d})",
        )
    return {path: found[path] for path in sorted(found)}


def _find(
    pattern_or_path: str, areas: SourceAreas | Sequence[Path], most: int | None
) -> dict[Path, SourceIdentity]:
    """Return all regular files that a path or pattern means, one at least, or raise `SourceError`."""
    if "\0" in pattern_or_path:
        raise SourceError("source-missing", "a path cannot hold a NUL character; correct 'source'")
    real = (areas if isinstance(areas, SourceAreas) else SourceAreas(tuple(areas))).resolved()
    found: dict[Path, SourceIdentity] = {}
    refused: list[SourceError] = []
    for candidate in _candidates(pattern_or_path, real, most):
        try:
            path = _require_inside(candidate, real, pattern_or_path)
            found[path] = identity(path)
        except SourceError as exc:
            refused.append(exc)
    if found:
        return found
    # What was found and refused says more than what was not there.
    telling = [exc for exc in refused if exc.code != "source-missing"]
    raise telling[0] if telling else _missing(pattern_or_path, real.roots)


def identity(path: Path) -> SourceIdentity:
    """Look at a source without opening it, or raise `SourceError` when it is no regular file."""
    try:
        return identify_open(path, path.lstat())
    except OSError as exc:
        _refuse_unreachable(path, exc)
        raise


def open_source(
    path: Path,
    compression: str,
    limits: SourceLimits,
    digest: "hashlib._Hash | None" = None,
    member: str | None = None,
) -> SourceStream:
    """Open a source to read its plain bytes; `compression` is auto, none, or a name of `magic_bytes.detect`.

    `digest` is fed with the stored bytes as they are read. Of a zip archive the only file is read, or the only one
    that `member` means.
    """
    file = open_regular(path)
    try:
        decoder = choose_decoder(file, compression, limits.max_zstd_window, member)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return SourceStream(file, decoder, limits, digest)


def unsettled(path: Path) -> SourceUnsettled:
    """Make the error for a source that is still being written."""
    return SourceUnsettled(
        "source-changing",
        f"{path} changed while it was read; write it under another name, rename it when it is "
        "complete, and trigger the job again",
    )


def _candidates(text: str, areas: SourceAreas, most: int | None) -> Iterator[Path]:
    """Yield the paths that a source may mean; a file that has the very name comes before a pattern."""
    bases = [Path("/")] if text.startswith("/") else areas.roots
    plain = [base / text for base in bases]
    if not glob.has_magic(text) or any(os.path.lexists(path) for path in plain):
        yield from plain
        return
    if ".." in Path(text).parts:
        raise _not_allowed(text, areas.roots)
    for base in bases:
        # Nothing outside the roots is even listed.
        fixed = _require_inside(base / _fixed_part(text), areas, text)
        matches = glob.iglob(text.lstrip("/"), root_dir=base)  # noqa: PTH207  # patterns as in a shell
        if fixed.is_dir():
            shown = (base / match for match in matches if not areas.hides(base / match))
            yield from islice(shown, most)


def _fixed_part(pattern: str) -> Path:
    """Return the folders of a relative pattern before its first wildcard."""
    parts = Path(pattern.lstrip("/")).parts
    wild = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:wild])


def _require_inside(path: Path, areas: SourceAreas, text: str) -> Path:
    """Return the path with its links followed, or raise when that leaves the roots or is hidden."""
    real = Path(os.path.realpath(path))
    if areas.hides(real):
        raise SourceError(
            "source-not-allowed",
            f"{text} leads to the upload area, whose files no request can name; send the file to the "
            "dataset's uploads, or put it below an allowed folder",
        )
    if not any(real.is_relative_to(root) for root in areas.roots):
        raise _not_allowed(str(path), areas.roots)
    return real


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file; anything else is refused before it is opened, or at once after."""
    identity(path)
    try:
        file = io.FileIO(_open_without_links(path))
    except OSError as exc:
        _refuse_unreachable(path, exc)
        raise
    try:
        identify_open(path, os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise
    return file


def _open_without_links(path: Path) -> int:
    """Open a resolved path, of which no part may be a link any more."""
    with folder_without_links(path) as folder:
        return os.open(path.name, _OPEN_FLAGS, dir_fd=folder)


@contextmanager
def folder_without_links(path: Path) -> Iterator[int]:
    """Open the folder of a resolved path, of which no part may be a link: one may have taken a folder's place since.

    It can be named as `dir_fd`, and nothing else. Raises OSError.
    """
    folder = os.open(path.anchor or ".", _FOLDER_FLAGS)
    try:
        for name in path.parts[1 if path.anchor else 0 : -1]:
            inner = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def identify_open(path: Path, status: os.stat_result) -> SourceIdentity:
    if not stat.S_ISREG(status.st_mode):
        raise _not_regular(path)
    return SourceIdentity(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)


def _refuse_unstorable(paths: Iterable[Path]) -> None:
    """Raise for names that the ledger cannot hold: a file that is meant must not be left out in silence."""
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError as exc:
            raise SourceError(
                "source-not-allowed",
                f"the name of {os.fsencode(path)!r} is not valid UTF-8; rename the file",
            ) from exc


def _refuse_unreachable(path: Path, exc: OSError) -> None:
    """Raise the `SourceError` that an error of the system means, if it is the source's fault."""
    if exc.errno in _MISSING:
        raise SourceError(
            "source-missing", f"there is no file {path}; put it there or correct 'source'"
        ) from exc
    if exc.errno in _NOT_REGULAR:
        raise _not_regular(path) from exc
    if isinstance(exc, PermissionError):
        raise SourceError(
            "source-missing",
            f"{path} may not be read; give the services' user permission to read it",
        ) from exc


def _not_regular(path: Path) -> SourceError:
    return SourceError(
        "source-not-regular",
        f"{path} is not a regular file (but a folder, link, pipe, socket or device); name a file",
    )


def _not_allowed(text: str, roots: Sequence[Path]) -> SourceError:
    return SourceError(
        "source-not-allowed",
        f"{text} is not below an allowed folder ({_listed(roots)}); put the file there, or add its "
        "folder to ADSP_SOURCE_ROOTS",
    )


def _missing(text: str, roots: Sequence[Path]) -> SourceError:
    what = "no file matches" if glob.has_magic(text) else "there is no file"
    return SourceError(
        "source-missing",
        f"{what} {text!r} below {_listed(roots)}; put it there or correct 'source'",
    )


def _ambiguous(text: str, found: set[Path]) -> SourceError:
    named = sorted(found)[:_NAMED_MATCHES]
    more = f" and {len(found) - len(named)} more" if len(found) > len(named) else ""
    return SourceError(
        "source-ambiguous",
        f"{text!r} means {len(found)} files ({_listed(named)}{more}); name one of them, "
        "let the dataset take the newest or all of them (match: newest, match: all), or name the date in its source "
        "({data_date}, {data_date:%Y%m%d})",
    )


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths)) or "none"
