"""Find the type of each column: what its cells look like, then what Postgres itself says to all of them.

A type is proposed only if it keeps what stands in the cells: 00123 stays a text.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from sqlalchemy import text
from sqlalchemy.orm import Session

from libs.common.enums import DateOrder
from libs.common.sql_files import statement

NULL_TEXTS = frozenset({"\\N", "NULL", "null", "NA", "N/A", "n/a", "#N/A", "-"})
"""What senders write for NULL: it is that where all other cells of the column are of a type."""

_GERMAN = {"decimal": ",", "thousands": "."}
_DAY = r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}([-/.])\d{1,2}\1(?:\d{4}|\d{2}))"
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
_ZONE = r" ?(?:Z|UTC|[-+]\d{2}(?::?\d{2})?)"
_SHAPES: Mapping[str, tuple[str, ...]] = {
    r"(?i:true|false|t|f|yes|no|y|n)": ("boolean",),
    r"-?(?:0|[1-9]\d*)": ("integer", "bigint", "numeric"),
    r"-?(?:0|[1-9]\d*)?(?:\.\d+)?(?:[eE][-+]?\d{1,3})?": ("numeric", "double precision"),
    _DAY: ("date",),
    rf"{_DAY}[ T]{_TIME}": ("timestamp without time zone",),
    rf"{_DAY}[ T]{_TIME}(?:{_ZONE})?": ("timestamp with time zone",),
    _TIME: ("time without time zone",),
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}": ("uuid",),
    r"(?s:\{.*\}|\[.*\])": ("jsonb",),
}
_COMPILED = [(re.compile(shape), types) for shape, types in _SHAPES.items()]
_GERMAN_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?(?: ?(€|EUR))?")
_PARTS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2\d{2,4}")
TYPES = tuple(dict.fromkeys(["text", *(name for types in _SHAPES.values() for name in types)]))
_MONTHS = 12
_TEXTS = ("text", "character", "json", "bytea", "xml", "name", "citext")
_NUMBERS = ("numeric", "real", "double precision", "integer", "bigint", "smallint")


@dataclass(frozen=True)
class ColumnGuess:
    """The type of a column, what becomes of its cells before, and which of them stand for NULL."""

    type: str = "text"
    convert: Mapping[str, Any] = field(default_factory=dict)
    nulls: frozenset[str] = frozenset()

    def read(self, cell: str) -> str | None:
        """Return what Postgres gets of a cell, None for NULL."""
        if cell in self.nulls:
            return None
        if not self.convert:
            return cell
        for sign in self.convert.get("currency", ()):
            cell = cell.removesuffix(sign)
        return cell.strip().replace(".", "").replace(",", ".")

    def for_type(self, name: str) -> Self:
        """Return what of it holds for a column of a type that is there already."""
        if name.startswith(_TEXTS):
            return replace(self, type=name, convert={}, nulls=frozenset())
        return replace(self, type=name, convert=self.convert if name.startswith(_NUMBERS) else {})


def guess_columns(
    session: Session, columns: Sequence[Iterable[str]], date_order: DateOrder | None
) -> list[ColumnGuess]:
    """Return the type of each column, of which these are the different cells that are not NULL."""
    options = [_options(frozenset(cells)) for cells in columns]
    asked = [
        {"number": number, "type": guess.type, "cells": read}
        for number, choices in enumerate(options)
        for guess, read in choices
    ]
    valid = ask_valid(session, asked, date_order)
    return [
        next((guess for guess, _ in choices if (number, guess.type) in valid), ColumnGuess())
        for number, choices in enumerate(options)
    ]


def ask_valid(
    session: Session, asked: Sequence[Mapping[str, Any]], date_order: DateOrder | None
) -> set[tuple[int, str]]:
    """Return which of the columns Postgres reads by which of the types asked about."""
    _fix_meaning(session, date_order)
    found = session.execute(statement(__package__, "judge"), {"asked": json.dumps(list(asked))})
    return {(row.number, row.type) for row in found if row.is_valid}


def ask_refusals(
    session: Session,
    asked: Sequence[Mapping[str, Any]],
    date_order: DateOrder | None,
    most: int,
) -> dict[tuple[int, str], tuple[str, str]]:
    """Return SQLSTATE and message of the cells that their types refuse, `most` at most."""
    _fix_meaning(session, date_order)
    given = {"asked": json.dumps(list(asked)), "most": most}
    found = session.execute(statement(__package__, "refusals"), given)
    return {(row.number, row.value): (row.sqlstate, row.message) for row in found}


def guess_date_order(cells: Iterable[str]) -> tuple[DateOrder | None, bool]:
    """Return which order the dates say, and whether none of them tells the day from the month."""
    dates = [found for found in map(_PARTS.match, cells) if found]
    if any(int(date[1]) > _MONTHS for date in dates):
        return DateOrder.DMY, False
    if any(int(date[3]) > _MONTHS for date in dates):
        return DateOrder.MDY, False
    if dates and all(date[2] == "." for date in dates):
        return DateOrder.DMY, False
    return None, bool(dates)


def _options(cells: frozenset[str]) -> list[tuple[ColumnGuess, list[str]]]:
    """Return what a column may be, the narrowest first, with the cells as Postgres would get them."""
    nulls = cells & NULL_TEXTS
    values = cells - nulls
    if not values:
        return []
    found = [
        (ColumnGuess(name, nulls=nulls), sorted(values))
        for shape, types in _COMPILED
        if all(map(shape.fullmatch, values))
        for name in types
    ]
    return found or _german(values, nulls)


def _german(values: frozenset[str], nulls: frozenset[str]) -> list[tuple[ColumnGuess, list[str]]]:
    """Return the option that numbers are written as 1.234,56 €; a comma must tell it from 1.234."""
    matches = [_GERMAN_NUMBER.fullmatch(value) for value in values]
    if not all(matches) or not any("," in value for value in values):
        return []
    signs = sorted({match[1] for match in matches if match and match[1]})
    convert = {**_GERMAN, **({"currency": signs} if signs else {})}
    guess = ColumnGuess("numeric", convert, nulls)
    return [(guess, sorted(filter(None, map(guess.read, values))))]


def _fix_meaning(session: Session, date_order: DateOrder | None) -> None:
    """Read dates as a load would."""
    style = f"ISO, {(date_order or DateOrder.MDY).value}"
    session.execute(text("SELECT set_config('DateStyle', :style, TRUE)"), {"style": style})
