"""Name the paths by which records reach their table, and why a load took a slower one than blocks.

It stands in the chunk's row and in the log, so that a load that takes long can be explained. The choice itself is
made in `strategies.py` (how rows reach the table) and `pipeline.py` (by blocks or by records).
"""

from dataclasses import dataclass, replace

from libs.common.enums import LoadPath

_WROTE_ALL = "all rows were written, also those that the table had"


@dataclass(frozen=True, slots=True)
class PathTaken:
    """The path of a load, and why it was not the fastest one for all records; None: it was."""

    path: LoadPath
    reason: str | None = None

    def all_written(self, why: str | None) -> "PathTaken":
        """Return the path of a replace that did not compare its rows with the table's, for a reason if there is one."""
        if why is None:
            return self
        reasons = [self.reason] if self.reason else []
        return replace(self, reason="; ".join([*reasons, f"{_WROTE_ALL}: {why}"]))

    def after(self, blocks: int, by_records: int) -> "PathTaken":
        """Return the path once so many blocks are written, of which some took the row path after all."""
        if self.path is not LoadPath.BLOCKS or not by_records:
            return self
        why = f"{by_records} of {blocks} blocks went record by record, for what their lines or refusals are like"
        reasons = [why, self.reason] if self.reason else [why]
        path = LoadPath.RECORDS if by_records == blocks else self.path
        return PathTaken(path, "; ".join(reasons))
