"""Guess which rows a NOT NULL or a simple CHECK constraint refuses, so that a COPY does not break on them.

A guess decides nothing: Postgres is asked about the rows that it names, and a COPY still breaks on those that it does
not. It understands NOT NULL and comparisons of a whole or decimal number with a constant.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from libs.common.postgres.copy.column_types import Comparison, Limit
from libs.common.postgres.target_table import TargetColumn

_COMPARISON = re.compile(
    r"\((?P<column>\w+) (?P<operator>>=|>|<=|<|=|<>)"
    r" [('](?P<quoted>-?[0-9]+(?:\.[0-9]+)?)[)']::[a-z ]+\)"
    r"|\((?P<column2>\w+) (?P<operator2>>=|>|<=|<|=|<>) (?P<plain>[0-9]+)\)"
)
_COMPARISONS = {
    ">=": Comparison.AT_LEAST,
    ">": Comparison.ABOVE,
    "<=": Comparison.AT_MOST,
    "<": Comparison.BELOW,
    "=": Comparison.EQUAL,
    "<>": Comparison.DIFFERENT,
}
_WHOLE = frozenset({"smallint", "integer", "bigint"})


@dataclass(frozen=True, slots=True)
class RowPredicates:
    """A row is suspected when it has no value of a `required` column, or one that breaks a limit.

    `is_complete`: every constraint was understood.
    """

    required: list[bool]
    limits: list[Limit]
    is_complete: bool


def parse_constraints(
    columns: Sequence[TargetColumn], checks: Sequence[str], slice_limits: Sequence[Limit] = ()
) -> RowPredicates:
    """Return what can be guessed of a table's NOT NULL and CHECK constraints, and of the slice that is loaded."""
    read = [_COMPARISON.fullmatch(check) for check in checks]
    compared = [part and _limit(columns, part) for part in read]
    understood = [limit for limit in compared if limit is not None]
    of_slice = {limit.column for limit in slice_limits}
    required = [column.is_not_null or place in of_slice for place, column in enumerate(columns)]
    return RowPredicates(required, [*understood, *slice_limits], len(understood) == len(checks))


def _limit(columns: Sequence[TargetColumn], part: re.Match[str]) -> Limit | None:
    """Return what a comparison says, or None for a type whose values are not plain numbers here."""
    name = part["column"] or part["column2"]
    places = [place for place, column in enumerate(columns) if column.name == name]
    factor = _factor(columns[places[0]].type) if places else None
    if factor is None:
        return None
    constant = Decimal(part["quoted"] or part["plain"]) * factor
    if constant != constant.to_integral_value() or abs(constant) >= 2**63:
        return None
    comparison = _COMPARISONS[part["operator"] or part["operator2"]]
    return Limit(places[0], comparison, int(constant))


def _factor(type_name: str) -> int | None:
    """Return what a value of the type is multiplied with to be a whole number."""
    if type_name in _WHOLE:
        return 1
    found = re.fullmatch(r"numeric\(\d+,(\d+)\)", type_name)
    return 10 ** int(found[1]) if found else None
