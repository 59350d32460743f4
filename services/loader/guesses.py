"""Guess which rows a NOT NULL or a simple CHECK constraint refuses, so that a COPY does not break on them.

A guess decides nothing: Postgres is asked about the rows that it names, and a COPY still breaks on those that it does
not. It understands NOT NULL and comparisons of a whole or decimal number with a constant.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from libs.common.catalog import TargetColumn

_COMPARISON = re.compile(
    r"\((?P<column>\w+) (?P<operator>>=|>|<=|<|=|<>)"
    r" [('](?P<quoted>-?[0-9]+(?:\.[0-9]+)?)[)']::[a-z ]+\)"
    r"|\((?P<column2>\w+) (?P<operator2>>=|>|<=|<|=|<>) (?P<plain>[0-9]+)\)"
)
_OPERATORS: dict[str, Callable[[Any, Any], pl.Expr]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "=": operator.eq,
    "<>": operator.ne,
}
_WHOLE = frozenset({"smallint", "integer", "bigint"})


@dataclass(frozen=True, slots=True)
class Suspicion:
    """`is_refused` is true for rows of values, by the columns' places, that a constraint likely refuses.

    `is_complete`: every constraint was understood.
    """

    is_refused: pl.Expr
    is_complete: bool


def suspect(columns: Sequence[TargetColumn], checks: Sequence[str]) -> Suspicion:
    """Return what can be guessed of a table's NOT NULL and CHECK constraints."""
    required = [
        pl.col(str(place)).is_null() for place, column in enumerate(columns) if column.is_not_null
    ]
    read = [_COMPARISON.fullmatch(check) for check in checks]
    compared = [part and _refused(columns, part) for part in read]
    understood = [guess for guess in compared if guess is not None]
    is_refused = pl.any_horizontal(pl.lit(value=False), *required, *understood)
    return Suspicion(is_refused, len(understood) == len(checks))


def _refused(columns: Sequence[TargetColumn], part: re.Match[str]) -> pl.Expr | None:
    """Return when a comparison is false, or None for a type whose values are not plain numbers here."""
    name = part["column"] or part["column2"]
    places = [place for place, column in enumerate(columns) if column.name == name]
    factor = _factor(columns[places[0]].type) if places else None
    if factor is None:
        return None
    limit = Decimal(part["quoted"] or part["plain"]) * factor
    if limit != limit.to_integral_value() or abs(limit) >= 2**63:
        return None
    holds = _OPERATORS[part["operator"] or part["operator2"]](pl.col(str(places[0])), int(limit))
    return ~holds.fill_null(value=True)


def _factor(type_name: str) -> int | None:
    """Return what a value of the type is multiplied with by its codec."""
    if type_name in _WHOLE:
        return 1
    found = re.fullmatch(r"numeric\(\d+,(\d+)\)", type_name)
    return 10 ** int(found[1]) if found else None
