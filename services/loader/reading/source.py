"""Read a chunk's part of its source, and make sure that it is still the source that was planned."""

from collections.abc import Callable, Iterator
from pathlib import Path

from libs.common.errors import SourceError
from libs.common.frames import Block, Framer
from libs.common.header import Header, read_header
from libs.common.sources import SourceLimits, SourceStream, identity, open_source
from services.loader.ledger.chunks import ChunkWork
from services.loader.settings import LoaderSettings


class ChunkSource:
    """The source of one chunk; `bytes_done` counts all bytes as stored, compressed ones if it is."""

    def __init__(self, work: ChunkWork, settings: LoaderSettings) -> None:
        """Open nothing yet."""
        self._work = work
        self._settings = settings
        self._path = Path(work.source_path)
        self.bytes_done = 0

    def check_unchanged(self) -> None:
        """Raise when size or modification time differ from what the plan saw."""
        now = identity(self._path)
        if (now.size, now.mtime_ns) != (self._work.source_size, self._work.source_mtime_ns):
            raise SourceError(
                "source-changing",
                f"{self._path} has changed since the job was planned; write it under another name, "
                "rename it when it is complete, and trigger the job again",
            )

    def read_header(self) -> Header:
        """Read the header from the start of the source."""
        with self._open() as stream:
            return read_header(
                stream,
                self._work.definition.format,
                max_record_bytes=self._settings.max_record_bytes,
            )

    def blocks(
        self, header: Header, count_ends: Callable[[bytes], int | None] | None
    ) -> Iterator[tuple[Block, int]]:
        """Yield the chunk's blocks, each with `bytes_done` behind it; the first begins behind the header."""
        work = self._work
        start, line = work.byte_start, work.first_line
        if start < header.byte_end:
            start, line = header.byte_end, header.next_line
        with self._open() as stream:
            stream.skip(start)
            origin = stream.position if work.number else 0
            framer = Framer(
                stream,
                work.definition.format,
                line,
                start,
                work.byte_end,
                self._settings.max_record_bytes,
                self._settings.block_bytes,
                count_ends,
                header.cr_ends_records,
            )
            for block in framer.blocks():
                yield block, stream.position - origin
            self.bytes_done = stream.position - origin

    def _open(self) -> SourceStream:
        """Open the source for reading decompressed bytes."""
        compression = self._work.definition.format.compression
        return open_source(self._path, compression, SourceLimits.from_settings(self._settings))
