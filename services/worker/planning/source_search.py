"""Find the files of a source, and see that they are whole."""

import glob
import time
from dataclasses import dataclass
from datetime import date

from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import SourceError
from libs.common.sources import source_pattern
from libs.common.sources.opening import unsettled
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.search import resolve_source, resolve_sources
from libs.common.sources.source_areas import SourceAreas
from libs.common.sources.stores.locations import Location, RemoteFile, identity
from services.worker.settings import WorkerSettings

_SECOND = 1_000_000_000


@dataclass(frozen=True)
class SourceSearch:
    """Looks for the files of one dataset, those that were sent to it in their own area."""

    definition: DatasetDefinition
    areas: SourceAreas
    settle_seconds: float
    """For how long a file must not have changed, where its dataset says nothing."""

    @classmethod
    def of(
        cls, settings: WorkerSettings, definition: DatasetDefinition, *, is_sent: bool = False
    ) -> "SourceSearch":
        """Search as the worker is set."""
        return cls(definition, settings.areas(is_sent=is_sent), settings.source_settle_seconds)

    def locate(self, source: str, *, is_complete: bool) -> tuple[Location, SourceIdentity]:
        """Find the file and wait until it has settled; `is_complete` skips the wait.

        Raises `SourceError`, or `SourceUnsettled` when the file changed while it was watched.
        """
        path, seen = self.find(source)
        if not is_complete:
            self.require_settled(path, seen)
        refuse_empty(path, seen)
        return path, seen

    def find(self, source: str) -> tuple[Location, SourceIdentity]:
        """Find the file, whatever is in it, or raise `SourceError`."""
        path = resolve_source(source, self.areas, self.definition.match)
        return path, identity(path)

    def find_all(self, source: str) -> dict[Location, SourceIdentity]:
        """Find every file that the source means, by path, or raise `SourceError`."""
        return resolve_sources(source, self.areas, self.definition.match)

    def require_settled(self, path: Location, seen: SourceIdentity) -> None:
        """Look at a young file again once it is old enough; raises `SourceUnsettled` when it changed meanwhile.

        Nobody sees half of an object of a store that shows whole ones alone.
        """
        if isinstance(path, RemoteFile) and path.store.is_atomic:
            return
        patience = self.settle_seconds
        age = time.time() - seen.mtime_ns / 1e9
        if age < patience:
            time.sleep(min(patience, patience - age))
            if identity(path) != seen:
                raise unsettled(path)

    def require_done_file(self, path: Location, data_date: date) -> None:
        """Raise `SourceError` unless the file is there that says that the source at `path` is whole.

        One that is older than the source speaks of an earlier file of that name; many senders' clocks count seconds.
        """
        pattern = source_pattern.expand(self.definition.done_file or "", data_date)
        plain = pattern.replace("{source}", str(path))
        done = self._find_done_file(
            path, pattern.replace("{source}", glob.escape(str(path))), plain
        )
        if done.mtime_ns // _SECOND < identity(path).mtime_ns // _SECOND:
            raise SourceError(
                "source-missing",
                f"{path} is there, but its 'done_file' {plain!r} is older: it speaks of an earlier file of that name; "
                "write it anew once the source is whole",
            )

    def _find_done_file(self, path: Location, done_file: str, plain: str) -> SourceIdentity:
        """Return what the done file is; `plain` is how messages name it."""
        try:
            return identity(resolve_source(done_file, self.areas))
        except SourceError as exc:
            if exc.code != "source-missing":
                raise SourceError(exc.code, f"'done_file' of {path}: {exc.message}") from exc
            message = (
                f"{path} is there, but not its 'done_file' {plain!r}, which says that it is whole; "
                "put that below an allowed folder too, or correct 'done_file'"
            )
            raise SourceError(exc.code, message) from exc


def refuse_empty(path: Location, seen: SourceIdentity) -> None:
    """Raise `SourceError` for a file without a byte."""
    if seen.size == 0:
        raise SourceError(
            "source-empty", f"{path} is empty; a file without records needs a header at least"
        )
