"""Read a file before it is planned: what it contains, as a fingerprint, its header, and where it can be cut.

A file that may be cut is read once for all of it; of any other one the fingerprint is taken, and the header read.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Never

from libs.common.csv.chunk_boundaries import Boundary, Parts, find_boundaries
from libs.common.csv.footer import without_footer
from libs.common.csv.header import Header, read_header
from libs.common.csv.text import Text
from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import LoadMode
from libs.common.errors import BadInput, SourceUnsettled
from libs.common.ledger.unread_content import UNREAD
from libs.common.sources.fingerprints import PartDigests, fingerprint
from libs.common.sources.opening import open_source, unsettled
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import Location, identity
from libs.common.sources.stream import Digest, SourceLimits, SourceStream
from services.worker.settings import WorkerSettings

_READ_BYTES = 1 << 20
_LONGER_IN_ORDER = 4
"""Chunks that go one after the other are so many times as long: only going on after a fault gains from short ones."""


@dataclass(frozen=True)
class Cut:
    """The header of a file, where its chunks begin, and their digests.

    With the digests (`PartDigests`) a loader sees that it reads the same content.
    """

    header: Header
    boundaries: list[Boundary]
    digests: list[str]


@dataclass(frozen=True)
class ScannedFile:
    """A file that was read: `fingerprint` is that of its bytes.

    `cut` returns the header and the chunks, or raises `BadInput` for what is wrong in the file.
    """

    path: Location
    identity: SourceIdentity
    fingerprint: str
    cut: Callable[[], Cut]


@dataclass(frozen=True)
class FileReader:
    """Reads the files of one dataset."""

    definition: DatasetDefinition
    limits: SourceLimits
    chunk_bytes: int
    max_record_bytes: int

    @classmethod
    def of(cls, settings: WorkerSettings, definition: DatasetDefinition) -> "FileReader":
        """Read as the worker is set."""
        limits = SourceLimits.from_settings(settings)
        return cls(definition, limits, settings.chunk_bytes, settings.max_record_bytes)

    def in_order(self) -> "FileReader":
        """Return one whose chunks are loaded one after the other (decision 50)."""
        return replace(self, chunk_bytes=self.chunk_bytes * _LONGER_IN_ORDER)

    def may_cut(self, seen: SourceIdentity) -> bool:
        """Return whether parts of such a file may be loaded alone, unless it is compressed."""
        definition = self.definition
        is_whole = definition.atomic or definition.mode is not LoadMode.APPEND
        return not is_whole and seen.size > self.chunk_bytes

    def scan(self, path: Location, seen: SourceIdentity, known: str | None = None) -> ScannedFile:
        """Return what is in a file that was found; raises `SourceUnsettled`.

        One whose fingerprint is `known` is read when it is cut, which is not before its job may load it.
        """
        if known is not None:
            return ScannedFile(path, seen, known, partial(self._cut, path, seen, known))
        if self.may_cut(seen):
            try:
                parts = self._scan_parts(path, seen)
            except SourceUnsettled:
                raise
            except BadInput as exc:  # said once it is known that nobody has loaded the file
                return ScannedFile(path, seen, fingerprint(path, seen), partial(_fail, exc))
            if parts is not None:
                found, cut = parts
                return ScannedFile(path, seen, found, lambda: cut)
        found = fingerprint(path, seen)
        return ScannedFile(path, seen, found, partial(self._cut_whole, path, found))

    def scan_header(self, path: Location, seen: SourceIdentity, content: str) -> ScannedFile:
        """Return what is in a file of which only the header is read; `content` stands in place of its fingerprint."""
        return ScannedFile(path, seen, content, partial(self._cut_unread, path, seen))

    def is_one_chunk(self, path: Location, seen: SourceIdentity) -> bool:
        """Return whether no part of such a file may be loaded alone; no error of it is raised here."""
        if not self.may_cut(seen):
            return True
        try:
            with self._open(path) as stream:
                return stream.is_compressed
        except BadInput:
            return False

    def read_header(self, path: Location) -> Header:
        """Return the header of a file, or raise `HeaderError`."""
        with self._open(path) as stream:
            return read_header(
                stream, self.definition.format, max_record_bytes=self.max_record_bytes
            )

    def _cut(self, path: Location, seen: SourceIdentity, known: str) -> Cut:
        parts = self._scan_parts(path, seen) if self.may_cut(seen) else None
        return self._cut_whole(path, known) if parts is None else parts[1]

    def _cut_unread(self, path: Location, seen: SourceIdentity) -> Cut:
        cut = self._cut_whole(path, UNREAD)
        if identity(path) != seen:
            raise unsettled(path)
        return cut

    def _cut_whole(self, path: Location, digest: str) -> Cut:
        header = self.read_header(path)
        return Cut(header, [Boundary(header.byte_end, header.next_line)], [digest])

    def _scan_parts(self, path: Location, seen: SourceIdentity) -> tuple[str, Cut] | None:
        """Return a file's fingerprint, and how it is cut; None for a compressed one, which is one chunk."""
        header = self.read_header(path)
        with PartDigests() as digests, self._open(path, digests) as stream:
            if stream.is_compressed:
                return None
            while stream.read(min(_READ_BYTES, header.byte_end - stream.position)):
                pass
            boundaries = self._find_boundaries(stream, header, digests)
            while stream.read(_READ_BYTES):
                pass  # what is behind the last record
            size = stream.position
            found, of_parts = digests.finish()
        if size != seen.size or identity(path) != seen:
            raise unsettled(path)
        return found, Cut(header, boundaries, of_parts)

    def _open(self, path: Location, digest: Digest | None = None) -> SourceStream:
        form = self.definition.format
        return open_source(path, form.compression, self.limits, digest, member=form.member)

    def _find_boundaries(
        self, stream: SourceStream, header: Header, parts: Parts
    ) -> list[Boundary]:
        """Return where the chunks of a file begin; the stream stands behind the header."""
        form, cap = self.definition.format, self.max_record_bytes
        text = Text(stream, header.encoding, header.byte_end)
        return find_boundaries(
            without_footer(text, form, header, cap) or text,
            form,
            self.chunk_bytes,
            first_line=header.next_line,
            cr_ends_records=header.cr_ends_records,
            max_record_bytes=cap,
            parts=parts,
        )


def _fail(exc: BadInput) -> Never:
    raise exc
