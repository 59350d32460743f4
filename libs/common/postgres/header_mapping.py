"""Match the cells of a header to columns of the target table, by name; what does not fit is said all at once.

header cells ──resolve_cells──► what each means ──match_header──► columns, cells left out, cells for the rescue column
└── misfits (`header_misfits`)
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from libs.common.postgres.column_names import NameIndex
from libs.common.postgres.header_misfits import Misfits
from libs.common.postgres.target_table import TargetColumn, TargetTable


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """How a dataset wants its headers read.

    `columns` maps cells to columns, or to None to leave them out. Cells without a column are refused, left out
    (`leaves_unknown_out`), or put into the column `rescue`. `added` are columns that are filled otherwise, in the
    table's order, those of `added_last` behind the others. `needed` must be there: an upsert's key, a slice's column.
    """

    columns: Mapping[str, str | None] = field(default_factory=dict)
    ignores_case: bool = False
    leaves_unknown_out: bool = False
    rescue: str | None = None
    added: frozenset[str] = frozenset()
    added_last: frozenset[str] = frozenset()
    needed: Collection[str] = ()


class Meaning(NamedTuple):
    """What a header cell means: a column's name, nothing (`is_left_out`), or one of several (`candidates`)."""

    column: str | None = None
    is_left_out: bool = False
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class MatchedHeader:
    """Which cells of a record go where.

    `columns` are all that a load fills: those of cells, in the header's order, then the rescue column if there are
    cells for it, then the added ones. `places` are the cells of the first of them, `rescued` cells (from 0) and names
    of what goes into the rescue column.
    """

    width: int
    columns: tuple[TargetColumn, ...]
    places: tuple[int, ...]
    rescued: tuple[tuple[int, str], ...] = ()
    added: int = 0
    """So many of `columns`, the last ones, are added."""

    @cached_property
    def is_plain(self) -> bool:
        """Return whether the cells of a record are the values of a row, one for one."""
        return len(self.columns) == self.width == len(self.places)


def resolve_cells(cells: Iterable[str], names: Iterable[str], rules: HeaderRules) -> list[Meaning]:
    """Return what header cells mean in a table with columns of these names."""
    columns = NameIndex(names, ignores_case=rules.ignores_case)
    mapped = NameIndex(rules.columns, ignores_case=rules.ignores_case)
    return [_resolve(cell, columns, mapped, rules.columns) for cell in cells]


def _resolve(
    cell: str, columns: NameIndex, mapped: NameIndex, mapping: Mapping[str, str | None]
) -> Meaning:
    keys = mapped.find(cell)
    if len(keys) == 1:
        name = mapping[keys[0]]
        return Meaning(name, is_left_out=name is None)
    found = columns.find(cell)
    return Meaning(found[0]) if len(found) == 1 else Meaning(candidates=found)


def match_header(cells: Sequence[str], table: TargetTable, rules: HeaderRules) -> MatchedHeader:
    """Return which cells go into which columns, or raise `HeaderMisfit` that says all that does not fit."""
    meanings = resolve_cells(cells, [column.name for column in table.columns], rules)
    misfits = Misfits(table, rules.columns)
    known = {column.name: column for column in table.columns}
    places: dict[str, int] = {}
    unknown: list[tuple[int, str]] = []
    for place, (cell, meaning) in enumerate(zip(cells, meanings, strict=True)):
        if meaning.is_left_out:
            continue
        name = meaning.column
        if name is None or name not in known:
            if _is_refused(meaning, rules):
                misfits.note_unknown(cell, meaning.column, meaning.candidates)
            else:
                unknown.append((place, cell))
        elif name in places:
            misfits.note_repeated(name, cells[places[name]], cell)
        elif name in rules.added or name == rules.rescue:
            misfits.note_filled(name, cell)
        else:
            places[name] = place
            if known[name].is_generated:
                misfits.note_generated(name, cell)
    rescued = unknown if rules.rescue is not None else []
    _note_same_names(rescued, misfits)
    added = [column.name for column in table.columns if column.name in rules.added]
    added.sort(key=lambda name: name in rules.added_last)
    beside = [*([rules.rescue] if rules.rescue is not None and rescued else []), *added]
    misfits.note_missing(_missing(table, {*places, *beside}, rules))
    misfits.refuse()
    return MatchedHeader(
        len(cells),
        (*(known[name] for name in places), *(known[name] for name in beside)),
        tuple(places.values()),
        tuple(rescued),
        len(added),
    )


def _is_refused(meaning: Meaning, rules: HeaderRules) -> bool:
    """Return whether a cell that means no column of the table is a misfit: what is mapped wrongly always is."""
    is_mapped = meaning.column is not None
    return is_mapped or not (rules.leaves_unknown_out or rules.rescue is not None)


def _missing(table: TargetTable, given: Collection[str], rules: HeaderRules) -> list[str]:
    return [
        column.name
        for column in table.columns
        if (column.is_required or column.name in rules.needed) and column.name not in given
    ]


def _note_same_names(rescued: Sequence[tuple[int, str]], misfits: Misfits) -> None:
    """Note names that stand twice among those of the rescue column, whose document has each once."""
    seen: set[str] = set()
    for _, cell in rescued:
        if cell in seen:
            misfits.note_repeated(None, cell, cell)
        seen.add(cell)
