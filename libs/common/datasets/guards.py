"""Hold a load against the guards of its dataset: what looks wrong is refused before anything is visible.

    plan: header ──► require_columns, compare_headers ──┐
    load: counts ──► check_rows ────────────────────────┴──► an error of the job, or a warning where it is allowed

`force` steps over what compares with the last load, since a person has looked; never over what the dataset demands of
each file. Replays know no guards (`libs.common.ledger.replays`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.job_warnings import JobWarning
from libs.common.enums import LoadMode, MissingColumns, WarningCode
from libs.common.errors import GuardTripped, HeaderError


@dataclass(frozen=True, slots=True)
class LastLoad:
    """The load that a header is compared with: its job, and the header as it was read."""

    job_id: object
    header: Sequence[str]
    columns: Mapping[str, str]
    """Header cell → column, as the dataset said then."""

    def column_names(self) -> list[str]:
        """Return the columns that it gave values to."""
        return [self.columns.get(cell, cell) for cell in self.header]


def require_columns(definition: DatasetDefinition, cells: Collection[str]) -> None:
    """Raise `HeaderError` when a header lacks a name of `required_columns`."""
    missing = [name for name in definition.required_columns if name not in cells]
    if missing:
        raise HeaderError(
            "header-missing-column",
            f"the header lacks {_quoted(missing)}, which 'required_columns' of the dataset names; "
            "send the whole file, or take the name out there if it is not needed any more",
        )


def compare_headers(
    definition: DatasetDefinition,
    last: LastLoad,
    given: Collection[str],
    loadable: Collection[str],
    *,
    force: bool,
) -> list[JobWarning]:
    """Raise `HeaderError` when columns of the last load are not given any more; return a warning where that is allowed.

    `given` are the columns that the header means, `loadable` those of the table that a file may give.
    """
    names = [name for name in last.column_names() if name in loadable and name not in given]
    if not names:
        return []
    lost = f"the header lacks {_quoted(names)}, which the last load (job {last.job_id}) had"
    if not force and definition.missing_columns is not MissingColumns.DEFAULT:
        raise HeaderError(
            "header-changed",
            f"{lost}; nothing was loaded: send the whole file, trigger with force to load this one as it is, or set "
            "'missing_columns' of the dataset to 'default'",
        )
    kept = " (rows that are there keep theirs)" if definition.mode is LoadMode.UPSERT else ""
    reason = "by 'missing_columns'" if not force else "by force"
    message = f"{lost}; new rows took the default of these columns{kept}, {reason}"
    return [JobWarning(WarningCode.HEADER_CHANGED, message, {"columns": len(names)})]


def check_rows(
    definition: DatasetDefinition,
    *,
    rows_loaded: int,
    rows_rejected: int,
    rows_before: int | None,
    force: bool,
) -> list[JobWarning]:
    """Raise `GuardTripped` when an atomic job has too few good rows; return a warning where that is allowed.

    `rows_before` are the rows of the load before, None when there was none.
    """
    if definition.mode is LoadMode.REPLACE and rows_rejected and not rows_loaded:
        raise GuardTripped(
            "nothing-good",
            f"all {rows_rejected:,} records were rejected, and a replace by nothing would empty the table; it was left "
            "as it is: correct the failed rows' cause and send the whole file",
        )
    least = definition.min_rows
    if least is not None and rows_loaded < least:
        raise GuardTripped(
            "too-few-rows",
            f"the file has {rows_loaded:,} good rows, 'min_rows' of the dataset asks for {least:,}; nothing was "
            "loaded: send the whole file, or lower 'min_rows'",
        )
    return _check_shrinking(definition, rows_loaded, rows_before or 0, force=force)


def _check_shrinking(
    definition: DatasetDefinition, rows_loaded: int, rows_before: int, *, force: bool
) -> list[JobWarning]:
    most = definition.max_shrink
    if most is None or rows_loaded >= rows_before:
        return []
    share = (rows_before - rows_loaded) / rows_before
    if share <= most:
        return []
    fewer = (
        f"the file has {rows_loaded:,} good rows, the last load had {rows_before:,}: a share of {share:.3g} is "
        f"missing, 'max_shrink' of the dataset allows {most:g}"
    )
    if not force:
        raise GuardTripped(
            "shrunk",
            f"{fewer}; nothing was loaded: send the whole file, or trigger with force when it is right",
        )
    counts = {"rows_loaded": rows_loaded, "rows_before": rows_before}
    return [JobWarning(WarningCode.SHRUNK, f"{fewer}; it was loaded by force", counts)]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
