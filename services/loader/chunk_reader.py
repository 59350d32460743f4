"""Read a chunk's part of its source, and make sure that it is still the source that was planned."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping

from libs.common.csv.block import Block
from libs.common.csv.footer import Footer, without_footer
from libs.common.csv.framing import FindLines, Framer
from libs.common.csv.header import Header, read_header
from libs.common.csv.places import MOST_PLACES, from_place, to_place
from libs.common.csv.skipped_records import Skip
from libs.common.csv.text import Text
from libs.common.datasets.job_warnings import JobWarning
from libs.common.datasets.source_warnings import (
    Utf8Watch,
    warn_of_oddities,
    warn_of_skipped,
)
from libs.common.enums import WarningCode
from libs.common.errors import SourceError
from libs.common.ledger.unread_content import UNREAD
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.opening import open_source
from libs.common.sources.stores.locations import identity, version_of
from libs.common.sources.stream import SourceLimits, SourceStream
from services.loader.leasing.chunk_ends import RowCounts
from services.loader.leasing.chunks import ChunkWork, PlannedFile
from services.loader.settings import LoaderSettings


class ChunkSource:
    """The source of one chunk: a part of a file, or several whole files one after the other.

    `bytes_done` counts all bytes as stored, compressed ones if it is.
    """

    def __init__(self, work: ChunkWork, settings: LoaderSettings) -> None:
        """Open nothing yet."""
        self._work = work
        self._settings = settings
        self._digests: dict[int, hashlib._Hash] = {}
        self._versions = dict[int, object]()
        self.bytes_done = 0
        self._footers: dict[int, Footer] = {}
        self._oddities: set[WarningCode] = set()

    def check_unchanged(self) -> None:
        """Raise when size or modification time of a file differ from what the plan saw."""
        for file in self._work.files:
            location = self._settings.location(file.path)
            now = identity(location)
            if (now.size, now.mtime_ns) != (file.size, file.mtime_ns):
                raise _changed(file)
            if file.digest == UNREAD and file.number not in self._versions:
                self._versions[file.number] = version_of(location)

    def check_content(self) -> None:
        """Raise when what `blocks` has read, to its end, is not what the plan saw.

        Where that has read the header alone, nothing may have been written since `check_unchanged` was called first.
        """
        for file in self._work.files:
            read = self._digests[file.number].hexdigest()
            if file.digest == UNREAD:
                self._check_untouched(file, read)
            elif file.digest not in {None, read}:
                raise _changed(file)

    @property
    def digest_of_unread(self) -> str | None:
        """Return the fingerprint of what `blocks` has read, hex, where the plan knew none."""
        first = self._work.files[0]
        return self._digests[first.number].hexdigest() if first.digest == UNREAD else None

    def _check_untouched(self, file: PlannedFile, read: str) -> None:
        """Raise when something was written meanwhile: size and time may have been put back."""
        location = self._settings.location(file.path)
        if file.learned not in {None, read}:
            raise _changed(file)
        if version_of(location) == self._versions[file.number]:
            return
        if fingerprint(location) != read or self._header_in(file) != self._header_of(file):
            raise _changed(file)

    def check_footers(self, rows_read: int, by_file: Mapping[int, RowCounts]) -> None:
        """Raise when a file that `blocks` has read whole has not as many records as its footer says."""
        for file in self._work.files:
            footer, counts = self._footers.get(file.number), by_file.get(file.number)
            if footer is not None:
                footer.check(counts.rows_read if counts else rows_read, file.path)

    def warnings(self, skipped: Counter[Skip]) -> list[JobWarning]:
        """Return what was odd about what `blocks` has read, and what was skipped of it, with the footers."""
        lines = sum(len(footer.lines) for footer in self._footers.values())
        counts = skipped + Counter({Skip.FOOTER: lines})
        return [*warn_of_skipped(counts), *warn_of_oddities(self._oddities)]

    def read_header(self) -> Header:
        """Return the header of the source's start; other files of it have the same, as the plan has seen."""
        first = self._work.files[0]
        if first.digest == UNREAD and first.header not in {None, self._header_in(first)}:
            raise _changed(first)
        return self._header_of(first)

    def blocks(self, header: Header, find: FindLines | None) -> Iterator[tuple[Block, int]]:
        """Yield the chunk's blocks, each with `bytes_done` behind it; those of a file begin behind its header.

        `header` is that of the first file.
        """
        self.bytes_done = 0
        self._footers.clear()
        self._oddities.clear()
        for file in self._work.files:
            own = header if file is self._work.files[0] else self._header_of(file)
            yield from self._blocks_of(file, own, find)

    def _blocks_of(
        self,
        file: PlannedFile,
        header: Header,
        find: FindLines | None,
    ) -> Iterator[tuple[Block, int]]:
        work, before = self._work, self.bytes_done
        start, line = work.byte_start, work.first_line
        if start < header.byte_end:
            start, line = header.byte_end, header.next_line
        digest = self._digests[file.number] = hashlib.sha256()
        with self._open(file, digest) as stream:
            _read_past(stream, header.byte_end)
            stream.skip(start - header.byte_end)
            origin = stream.position if work.number else 0
            form, cap, body = work.definition.format, self._settings.max_record_bytes, None
            if work.byte_end is not None:
                stream.expect_end(work.byte_end)
            text = Text(stream, header.encoding, to_place(file.number, start), work.byte_end)
            if work.byte_end is None:
                body = without_footer(text, form, header, cap)
            framer = Framer(
                body or text,
                form,
                to_place(file.number, line),
                cap,
                self._settings.block_bytes,
                find,
                header.cr_ends_records,
                self._settings.max_failed_record_bytes,
            )
            watch = Utf8Watch(header.encoding)
            for block in framer.blocks():
                self._refuse_too_long(file, block)
                watch.look(block.data)
                yield block, before + stream.position - origin
            self.bytes_done = before + stream.position - origin
            self._note_oddities(stream, watch)
            if body is not None and body.footer is not None:
                self._footers[file.number] = body.footer

    def _note_oddities(self, stream: SourceStream, watch: Utf8Watch) -> None:
        if stream.has_odd_end:
            self._oddities.add(WarningCode.BYTES_AFTER_END)
        if watch.has_noticed:
            self._oddities.add(WarningCode.LOOKS_LIKE_UTF_8)

    def _refuse_too_long(self, file: PlannedFile, block: Block) -> None:
        if self._work.counts_files and from_place(block.byte_end)[0] != file.number:
            raise SourceError(
                "source-too-large",
                f"{file.path} has more than {MOST_PLACES} bytes; give it a job of its own",
            )

    def _header_of(self, file: PlannedFile) -> Header:
        """Return what the plan has read, or read it where the ledger has none (a plan of the version before)."""
        return self._header_in(file) if file.header is None else file.header

    def _header_in(self, file: PlannedFile) -> Header:
        with self._open(file) as stream:
            return read_header(
                stream,
                self._work.definition.format,
                max_record_bytes=self._settings.max_record_bytes,
            )

    def _open(self, file: PlannedFile, digest: "hashlib._Hash | None" = None) -> SourceStream:
        """Open a file for reading decompressed bytes."""
        form = self._work.definition.format
        limits = SourceLimits.from_settings(self._settings)
        location = self._settings.location(file.path)
        return open_source(location, form.compression, limits, digest, form.member)


def _changed(file: PlannedFile) -> SourceError:
    return SourceError(
        "source-changing",
        f"{file.path} has changed since the job was planned; write it under another name, "
        "rename it when it is complete, and trigger the job again",
    )


def _read_past(stream: SourceStream, count: int) -> None:
    """Read so many plain bytes: unlike those that are skipped they count for the digest."""
    while count > 0 and (data := stream.read(count)):
        count -= len(data)
