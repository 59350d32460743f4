"""Inspect a source before anything is loaded: is it there, complete, well-headed, and what is in it."""

import glob
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from libs.common.csv.chunk_boundaries import Boundary, find_boundaries
from libs.common.csv.footer import without_footer
from libs.common.csv.header import Header, read_header
from libs.common.csv.header_hints import show_header
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.guards import require_columns
from libs.common.datasets.slices import Slice
from libs.common.enums import LoadMode
from libs.common.errors import HeaderError, SourceError
from libs.common.postgres.header_mapping import match_header
from libs.common.postgres.job_requirements import check_sequences
from libs.common.postgres.target_table import TargetColumn, TargetTable, check_target
from libs.common.sources import source_pattern
from libs.common.sources.files import (
    SourceIdentity,
    SourceLimits,
    SourceStream,
    identity,
    open_source,
    resolve_source,
    resolve_sources,
    unsettled,
)
from libs.common.sources.fingerprints import digest_parts, fingerprint
from services.worker.settings import WorkerSettings

_SECOND = 1_000_000_000
_LONGER_ALONE = 4
"""Chunks that go one after the other are so many times as long: only going on after a fault gains from short ones."""


@dataclass(frozen=True)
class Columns:
    """What tells the cells of the records, the same for all files of a load.

    `encoding` is that of the format, with the byte order that the file's start tells. `given` are the columns that
    the header means, `loadable` those that it may mean. `take_rows_twice`: no key of the table would refuse a record
    of them that comes again.
    """

    header: tuple[str, ...]
    encoding: str
    given: frozenset[str]
    loadable: frozenset[str]
    take_rows_twice: bool


@dataclass(frozen=True)
class Inspected:
    """A source that can be loaded: what it is and which chunks it is cut into.

    `digests` are those of the chunks (`digest_parts`), with which a loader sees that it reads the same content.
    `chunks_at_once` is None where chunks may end in any order.
    """

    path: Path
    identity: SourceIdentity
    fingerprint: str
    columns: Columns
    boundaries: list[Boundary]
    digests: list[str]
    chunks_at_once: int | None


def refuse_empty(path: Path, seen: SourceIdentity) -> None:
    """Raise `SourceError` for a file without a byte."""
    if seen.size == 0:
        raise SourceError(
            "source-empty", f"{path} is empty; a file without records needs a header at least"
        )


class Inspector:
    """Looks at one source of one dataset."""

    def __init__(
        self, settings: WorkerSettings, definition: DatasetDefinition, *, is_sent: bool = False
    ) -> None:
        self._settings = settings
        self._definition = definition
        self._areas = settings.areas(is_sent=is_sent)
        self._limits = SourceLimits.from_settings(settings)
        self._cutting: Future[tuple[Header, list[Boundary]]] | None = None
        self._digest = ""

    def locate(self, source: str, *, is_complete: bool) -> tuple[Path, SourceIdentity]:
        """Find the file and wait until it has settled; `is_complete` skips the wait.

        Raises `SourceError`, or `SourceUnsettled` when the file changed while it was watched.
        """
        path, seen = self.find(source)
        if not is_complete:
            self.require_settled(path, seen)
        refuse_empty(path, seen)
        return path, seen

    def find(self, source: str) -> tuple[Path, SourceIdentity]:
        """Find the file, whatever is in it, or raise `SourceError`."""
        path = resolve_source(source, self._areas, self._definition.match)
        return path, identity(path)

    def find_all(self, source: str) -> dict[Path, SourceIdentity]:
        """Find every file that the source means, by path, or raise `SourceError`."""
        return resolve_sources(source, self._areas, self._definition.match)

    def require_settled(self, path: Path, seen: SourceIdentity) -> None:
        """Look at a young file again once it is old enough; raises `SourceUnsettled` when it changed meanwhile."""
        patience = self._settings.source_settle_seconds
        age = time.time() - seen.mtime_ns / 1e9
        if age < patience:
            time.sleep(min(patience, patience - age))
            if identity(path) != seen:
                raise unsettled(path)

    def require_done_file(self, path: Path, data_date: date) -> None:
        """Raise `SourceError` unless the file is there that says that the source at `path` is whole.

        One that is older than the source speaks of an earlier file of that name; many senders' clocks count seconds.
        """
        pattern = source_pattern.expand(self._definition.done_file or "", data_date)
        done_file = pattern.replace("{source}", glob.escape(str(path)))
        plain = pattern.replace("{source}", str(path))
        try:
            done = identity(resolve_source(done_file, self._areas))
        except SourceError as exc:
            if exc.code != "source-missing":
                raise SourceError(exc.code, f"'done_file' of {path}: {exc.message}") from exc
            message = (
                f"{path} is there, but not its 'done_file' {plain!r}, which says that it is whole; "
                "put that below an allowed folder too, or correct 'done_file'"
            )
            raise SourceError(exc.code, message) from exc
        if done.mtime_ns // _SECOND < identity(path).mtime_ns // _SECOND:
            raise SourceError(
                "source-missing",
                f"{path} is there, but its 'done_file' {plain!r} is older: it speaks of an earlier file of that name; "
                "write it anew once the source is whole",
            )

    def identify(self, path: Path, seen: SourceIdentity, known: str | None = None) -> str:
        """Return the fingerprint of the file that was located, unless it is `known`; raises `SourceUnsettled`.

        A large file is cut meanwhile, since both read all of it; `inspect` returns what came of that.
        """
        if known is not None:
            self._digest = known
            return known
        if seen.size <= self._settings.chunk_bytes:
            self._digest = fingerprint(path, seen)
            return self._digest
        with ThreadPoolExecutor(1, thread_name_prefix="cut") as thread:
            self._cutting = thread.submit(self._read_and_cut, path, seen)
            self._digest = fingerprint(path, seen)
        return self._digest

    def inspect(self, connection: Any, path: Path, seen: SourceIdentity, content: str) -> Inspected:
        """Check header and target, and cut the source into chunks.

        `connection` is a psycopg2 connection. Raises `BadInput` when header or target do not fit.
        """
        table = self._read_target(connection)
        cutting = self._cutting
        header, boundaries = cutting.result() if cutting else self._read_and_cut(path, seen)
        given = self._match_header(header, table)
        check_sequences(connection, table, [column.name for column in given])
        at_once = self._chunks_at_once(table, given)
        if at_once == 1:
            boundaries = boundaries[::_LONGER_ALONE]
        columns = _describe_columns(header, table, given)
        digests = self._digest_chunks(path, seen, boundaries)
        return Inspected(path, seen, content, columns, boundaries, digests, at_once)

    def inspect_all(self, connection: Any, paths: Sequence[Path]) -> Columns:
        """Check target and headers of files that are loaded together; they must have the same header.

        `connection` is a psycopg2 connection. Raises `BadInput`.
        """
        table = self._read_target(connection)
        first, *others = [self._read_header(path) for path in paths]
        given = self._match_header(first, table)
        check_sequences(connection, table, [column.name for column in given])
        for path, other in zip(paths[1:], others, strict=True):
            if (other.cells, other.encoding) != (first.cells, first.encoding):
                raise SourceError(
                    "headers-differ",
                    f"{path} has another header or encoding than {paths[0]}; the files that one job loads need the "
                    "same columns in the same order: correct the file, or give it a dataset of its own",
                )
        return _describe_columns(first, table, given)

    def _read_target(self, connection: Any) -> TargetTable:
        definition = self._definition
        table = check_target(
            connection,
            definition.table,
            mode=definition.mode,
            key=definition.key,
            is_sliced=definition.scope is not None,
        )
        Slice.of(table, definition, date.min)  # the column may have changed since PUT
        return table

    def _match_header(self, header: Header, table: TargetTable) -> Sequence[TargetColumn]:
        """Return the columns that a load of such a file fills, or raise `HeaderError`."""
        definition = self._definition
        try:
            matched = match_header(header.cells, table, definition.header_rules)
        except HeaderError as exc:
            shown = show_header(header, definition.format)
            raise HeaderError(exc.code, exc.message + shown) from exc
        require_columns(definition, header.cells)
        return matched.columns

    def _digest_chunks(
        self, path: Path, seen: SourceIdentity, boundaries: list[Boundary]
    ) -> list[str]:
        """Return the digest of each chunk; that of the only one is known."""
        if len(boundaries) == 1:
            return [self._digest]
        starts = [boundary.byte_offset for boundary in boundaries]
        digests = digest_parts(path, starts[0], starts)
        if identity(path) != seen:
            raise unsettled(path)
        return digests

    def _chunks_at_once(self, table: TargetTable, columns: Sequence[TargetColumn]) -> int | None:
        """Return how many chunks may be under way, None for any number in any order."""
        if not table.has_order_dependent_constraints:
            return None
        may_overlap = table.allows_parallel_chunks(columns)
        return self._settings.ordered_chunks_at_once if may_overlap else 1

    def _read_and_cut(self, path: Path, seen: SourceIdentity) -> tuple[Header, list[Boundary]]:
        """Return the header, and where the chunks begin."""
        header = self._read_header(path)
        return header, self._cut(path, seen, header)

    def _open(self, path: Path) -> SourceStream:
        form = self._definition.format
        return open_source(path, form.compression, self._limits, member=form.member)

    def _read_header(self, path: Path) -> Header:
        with self._open(path) as stream:
            return read_header(
                stream,
                self._definition.format,
                max_record_bytes=self._settings.max_record_bytes,
            )

    def _cut(self, path: Path, seen: SourceIdentity, header: Header) -> list[Boundary]:
        """Return where the chunks begin: one chunk unless parts of the file may be loaded alone."""
        whole = [Boundary(header.byte_end, header.next_line)]
        definition = self._definition
        if definition.atomic or definition.mode is not LoadMode.APPEND:
            return whole
        with self._open(path) as stream:
            if stream.is_compressed or seen.size <= self._settings.chunk_bytes:
                return whole
            stream.skip(header.byte_end)
            cap = self._settings.max_record_bytes
            body = without_footer(stream, definition.format, header, cap)
            return find_boundaries(
                stream if body is None else body,
                definition.format.model_copy(update={"encoding": header.encoding}),
                self._settings.chunk_bytes,
                first_line=header.next_line,
                first_offset=header.byte_end,
                cr_ends_records=header.cr_ends_records,
                max_record_bytes=cap,
            )


def _describe_columns(header: Header, table: TargetTable, given: Sequence[TargetColumn]) -> Columns:
    return Columns(
        header.cells,
        header.encoding,
        given=frozenset(column.name for column in given),
        loadable=frozenset(column.name for column in table.columns if not column.is_generated),
        take_rows_twice=not table.refuses_repeated(given),
    )
