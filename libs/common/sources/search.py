"""Find the files that a path or pattern means.

    job.source ──resolve_source──► location ──identity, fingerprint──► ledger
                                      └──open_source──► SourceStream ──► frames

A source lies below an allowed root after every link is followed, or in a store that a connection leads to.
"""

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from libs.common.enums import SourceMatch
from libs.common.errors import SourceError
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.search_errors import ambiguous, missing, not_allowed, refuse_unstorable
from libs.common.sources.source_areas import RealPaths, SourceAreas
from libs.common.sources.stores.locations import Location, identity
from libs.common.sources.stores.search import FILE_SCHEME, find_remote, in_upload_area, is_url

MOST_FILES = 1_000
"""A job loads at most so many files."""

_MOST_MATCHES = 10_000


def resolve_source(
    pattern_or_path: str,
    areas: SourceAreas | Sequence[Path],
    match: SourceMatch = SourceMatch.ONE,
) -> Location:
    """Return the one regular file that a path, URL or pattern means, with every link followed.

    A relative path is looked for below each root. With `newest` a glob means its newest match, of several
    as new the last by name. Raises `SourceError`: source-not-allowed,
    source-missing, source-not-regular or source-ambiguous.
    """
    takes_newest = match is SourceMatch.NEWEST and glob.has_magic(pattern_or_path)
    found = _find(pattern_or_path, areas, None if takes_newest else _MOST_MATCHES)
    newest = max(found, key=lambda file: (found[file].mtime_ns, file.name, str(file)))
    refuse_unstorable([newest] if takes_newest else found)
    if len(found) > 1 and not takes_newest:
        raise ambiguous(pattern_or_path, set(found))
    return newest


def resolve_sources(
    pattern_or_path: str, areas: SourceAreas | Sequence[Path], match: SourceMatch
) -> dict[Location, SourceIdentity]:
    """Return the files that a path, URL or pattern means: with `all` every match, by name, else one.

    Raises `SourceError` as `resolve_source` does, and source-ambiguous for more than 1,000 matches.
    """
    if match is not SourceMatch.ALL:
        file = resolve_source(pattern_or_path, areas, match)
        return {file: identity(file)}
    found = _find(pattern_or_path, areas, None)
    refuse_unstorable(found)
    if len(found) > MOST_FILES:
        raise SourceError(
            "source-ambiguous",
            f"{pattern_or_path!r} means {len(found)} files; one job loads at most {MOST_FILES}: move away what is "
            "loaded, or name the date in the dataset's source ({data_date}, {data_date:%Y%m%d})",
        )
    return {file: found[file] for file in sorted(found, key=str)}


def _find(
    pattern_or_path: str, areas: SourceAreas | Sequence[Path], most: int | None
) -> Mapping[Location, SourceIdentity]:
    """Return all regular files that a path, URL or pattern means, one at least, or raise `SourceError`."""
    if "\0" in pattern_or_path:
        raise SourceError("source-missing", "a path cannot hold a NUL character; correct 'source'")
    allowed = areas if isinstance(areas, SourceAreas) else SourceAreas(tuple(areas))
    if is_url(pattern_or_path):
        return find_remote(pattern_or_path, allowed)
    return _find_here(pattern_or_path.removeprefix(FILE_SCHEME), allowed.resolved(), most)


def _find_here(text: str, real: SourceAreas, most: int | None) -> dict[Location, SourceIdentity]:
    found: dict[Location, SourceIdentity] = {}
    refused: list[SourceError] = []
    links = RealPaths()
    for candidate in _candidates(text, real, most, links):
        try:
            path = _require_inside(candidate, real, text, links)
            found[path] = identity(path)
        except SourceError as exc:
            refused.append(exc)
    if found:
        return found
    # What was found and refused says more than what was not there.
    telling = [exc for exc in refused if exc.code != "source-missing"]
    raise telling[0] if telling else missing(text, real.roots)


def _candidates(
    text: str, areas: SourceAreas, most: int | None, links: RealPaths
) -> Iterator[Path]:
    """Yield the paths that a source may mean; a file that has the very name comes before a pattern."""
    bases = [Path("/")] if text.startswith("/") else areas.roots
    plain = [base / text for base in bases]
    if not glob.has_magic(text) or any(os.path.lexists(path) for path in plain):
        yield from plain
        return
    if ".." in Path(text).parts:
        raise not_allowed(text, areas.roots)
    for base in bases:
        # Nothing outside the roots is even listed.
        fixed = _require_inside(base / _fixed_part(text), areas, text, links)
        matches = glob.iglob(text.lstrip("/"), root_dir=base)  # noqa: PTH207  # patterns as in a shell
        if fixed.is_dir():
            found = (base / match for match in matches)
            yield from islice((path for path in found if not areas.hides(links.find(path))), most)


def _fixed_part(pattern: str) -> Path:
    """Return the folders of a relative pattern before its first wildcard."""
    parts = Path(pattern.lstrip("/")).parts
    wild = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:wild])


def _require_inside(path: Path, areas: SourceAreas, text: str, links: RealPaths) -> Path:
    """Return the path with its links followed, or raise when that leaves the roots or is hidden."""
    real = links.find(path)
    if areas.hides(real):
        raise in_upload_area(text)
    if not any(real.is_relative_to(root) for root in areas.roots):
        raise not_allowed(str(path), areas.roots)
    return real
