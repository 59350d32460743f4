"""Hold a load against the guards of its dataset: what looks wrong is refused before anything is visible.

    plan: header ──► require_columns, compare_headers ──┐
    load: counts ──► check_rows ────────────────────────┴──► an error of the job, or a warning where it is allowed

`force` steps over what compares with the last load, since a person has looked; never over what the dataset demands of
each file. Replays know no guards (`libs.common.ledger.replays`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.job_warnings import JobWarning
from libs.common.enums import LoadMode, MissingColumns, WarningCode
from libs.common.errors import GuardTripped, HeaderError
from libs.common.postgres.column_names import NameIndex
from libs.common.postgres.header_mapping import HeaderRules, resolve_cells


@dataclass(frozen=True, slots=True)
class LastLoad:
    """The load that a header is compared with: its job, and the header as it was read."""

    job_id: object
    header: Sequence[str]
    rules: HeaderRules
    """How the dataset read headers then."""

    def column_names(self, names: Iterable[str]) -> list[str]:
        """Return the columns that it gave values to, of a table with columns of these names."""
        meanings = resolve_cells(self.header, names, self.rules)
        return [meaning.column for meaning in meanings if meaning.column is not None]


def require_columns(definition: DatasetDefinition, cells: Collection[str]) -> None:
    """Raise `HeaderError` when a header lacks a name of `required_columns`."""
    given = NameIndex(cells, ignores_case=definition.header_rules.ignores_case)
    missing = [name for name in definition.required_columns if not given.find(name)]
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
    of_last = last.column_names(loadable)
    names = [name for name in of_last if name in loadable and name not in given]
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


def find_drift(
    last: LastLoad, header: Sequence[str], rules: HeaderRules, loadable: Collection[str]
) -> tuple[list[str], list[str]]:
    """Return the cells that a header has and the last load's had not, and the other way round, as they are written.

    Cells are the same if they mean the same column, or are written alike.
    """
    now = _identify(header, rules, loadable)
    then = _identify(last.header, last.rules, loadable)
    added = [cell for key, cell in now.items() if key not in then]
    return added, [cell for key, cell in then.items() if key not in now]


def _identify(
    header: Sequence[str], rules: HeaderRules, names: Collection[str]
) -> dict[tuple[str, bool], str]:
    """Return cells by what tells them from others: the column that they mean, or else their text."""
    meanings = resolve_cells(header, names, rules)
    return {
        (meaning.column or cell, meaning.column is not None): cell
        for cell, meaning in zip(header, meanings, strict=True)
    }


def warn_of_drift(
    last: LastLoad, added: Sequence[str], lost: Sequence[str], rules: HeaderRules
) -> list[JobWarning]:
    """Return the warning of a header that differs from the last load's and was loaded all the same."""
    if not (added or lost):
        return []
    parts = []
    if added:
        what = "left out" if rules.leaves_unknown_out else f"put into {rules.rescue!r}"
        unknown = f"; those without a column were {what}, by 'unknown_columns'"
        is_allowed = rules.leaves_unknown_out or rules.rescue is not None
        parts.append(f"it has {_quoted(added)} in addition{unknown if is_allowed else ''}")
    if lost:
        parts.append(f"it lacks {_quoted(lost)}")
    message = (
        f"the header differs from that of the last load (job {last.job_id}): {'; '.join(parts)}"
    )
    counts = {"added": len(added), "lost": len(lost)}
    return [JobWarning(WarningCode.HEADER_DRIFT, message, counts)]


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
