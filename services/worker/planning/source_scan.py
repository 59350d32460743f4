"""Read a file before it is planned: what it contains, as a fingerprint, its header, and where it can be cut."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from libs.common.csv.chunk_boundaries import Boundary, find_boundaries
from libs.common.csv.footer import without_footer
from libs.common.csv.header import Header, read_header
from libs.common.csv.text import Text
from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import LoadMode
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.opening import open_source
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import Location
from libs.common.sources.stream import SourceLimits, SourceStream
from services.worker.settings import WorkerSettings


@dataclass(frozen=True)
class Cut:
    """The header of a file, and where its chunks begin."""

    header: Header
    boundaries: list[Boundary]


@dataclass(frozen=True)
class ScannedFile:
    """A file that was read: `fingerprint` is that of its bytes.

    `cut` returns the header and where chunks begin, or raises `BadInput` for what is wrong in the file.
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

    def scan(self, path: Location, seen: SourceIdentity, known: str | None = None) -> ScannedFile:
        """Return what is in a file that was found, whose fingerprint may be `known`; raises `SourceUnsettled`.

        A large file is cut while its fingerprint is taken, since both read all of it; else it is cut when asked.
        """
        if known is not None or seen.size <= self.chunk_bytes:
            found = known or fingerprint(path, seen)
            return ScannedFile(path, seen, found, partial(self.cut, path, seen))
        with ThreadPoolExecutor(1, thread_name_prefix="cut") as thread:
            cutting = thread.submit(self.cut, path, seen)
            return ScannedFile(path, seen, fingerprint(path, seen), cutting.result)

    def cut(self, path: Location, seen: SourceIdentity) -> Cut:
        """Return the header, and where the chunks begin: one chunk unless parts of the file may be loaded alone."""
        header = self.read_header(path)
        whole = [Boundary(header.byte_end, header.next_line)]
        definition = self.definition
        if definition.atomic or definition.mode is not LoadMode.APPEND:
            return Cut(header, whole)
        with self._open(path) as stream:
            if stream.is_compressed or seen.size <= self.chunk_bytes:
                return Cut(header, whole)
            return Cut(header, self._find_boundaries(stream, header))

    def read_header(self, path: Location) -> Header:
        """Return the header of a file, or raise `HeaderError`."""
        with self._open(path) as stream:
            return read_header(
                stream, self.definition.format, max_record_bytes=self.max_record_bytes
            )

    def _open(self, path: Location) -> SourceStream:
        form = self.definition.format
        return open_source(path, form.compression, self.limits, member=form.member)

    def _find_boundaries(self, stream: SourceStream, header: Header) -> list[Boundary]:
        """Return where the chunks of a file begin."""
        form, cap = self.definition.format, self.max_record_bytes
        stream.skip(header.byte_end)
        text = Text(stream, header.encoding, header.byte_end)
        return find_boundaries(
            without_footer(text, form, header, cap) or text,
            form,
            self.chunk_bytes,
            first_line=header.next_line,
            cr_ends_records=header.cr_ends_records,
            max_record_bytes=cap,
        )
