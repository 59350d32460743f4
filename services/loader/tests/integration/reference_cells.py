"""Say in plain Python what a dataset makes of the cells of a record: slow, and sharing nothing with the loader.

The oracle inserts what comes out of it.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from libs.common.datasets.conversions import Conversion
from libs.common.datasets.definition import DatasetDefinition

NUMBER_TYPES = (
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double precision",
    "money",
)
SPACES = (" ", "\u00a0", "\u2009", "\u202f")


class Unreadable(Exception):
    """A cell cannot be converted; the column is the argument."""


class ReferenceCells:
    """What the records of one file become."""

    def __init__(
        self,
        header: Sequence[str],
        definition: DatasetDefinition,
        types: Mapping[str, str],
        job: Mapping[str, str],
    ) -> None:
        """Match the header; `types` are those of the table's columns by name, `job` the values of `add`."""
        self._definition = definition
        self._types = types
        self._job = job
        self._header = header
        self._meant = [self._meaning(cell) for cell in header]
        rest = [cell for cell, meant in zip(header, self._meant, strict=True) if meant == "?"]
        self._rescue = definition.rescue_column if rest else None
        self.columns = [name for name in self._meant if name not in {None, "?"}]
        self.columns += [self._rescue] if self._rescue else []
        # A stored definition does not keep the order of its names.
        added = [name for name in types if name in definition.add]
        self._added = sorted(added, key=lambda name: definition.add[name] == "$line")
        self.columns += self._added

    def values(self, cells: Sequence[str | None], line: int) -> list[str | None]:
        """Return the values of a record's row, or raise `Unreadable`."""
        made: list[str | None] = []
        rest: dict[str, str | None] = {}
        for name, meant, cell in zip(self._header, self._meant, cells, strict=True):
            if meant == "?":
                rest[name] = cell
            elif meant is not None:
                made.append(self._convert(meant, cell))
        if self._rescue:
            made.append(json.dumps(rest, ensure_ascii=False))
        job = {**self._job, "$line": str(line)}
        values = [self._definition.add[name] for name in self._added]
        return made + [job.get(value, value.replace("$$", "$", 1)) for value in values]

    def _meaning(self, cell: str) -> str | None:
        """Return the column of a header cell, None for one that is left out, and ? for one without a column."""
        definition = self._definition
        loose = definition.header_match == "case_insensitive"
        for name, column in definition.columns.items():
            if _alike(cell, name, loose=loose):
                return column
        for name in self._types:
            if cell == name:
                return name
        for name in self._types:
            if _alike(cell, name, loose=loose) or _alike(
                cell.encode()[:63].decode(errors="ignore"), name, loose=loose
            ):
                return name
        return "?" if definition.rescue_column else None

    def _convert(self, column: str, cell: str | None) -> str | None:
        convert = self._definition.convert
        general = column not in convert
        wanted = convert.get(column, convert.get("*"))
        if wanted is None or cell is None:
            return cell
        kind = self._types[column]
        return _converted(
            column,
            cell,
            wanted,
            numbers=not general or kind.startswith(NUMBER_TYPES),
            dates=not general or kind.startswith(("date", "timestamp")),
        )


def _alike(cell: str, name: str, *, loose: bool) -> bool:
    one, other = unicodedata.normalize("NFC", cell), unicodedata.normalize("NFC", name)
    if loose:
        one, other = one.strip().casefold(), other.strip().casefold()
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def _converted(
    column: str, cell: str, wanted: Conversion, *, numbers: bool, dates: bool
) -> str | None:
    if wanted.excel_text and cell.startswith('="') and cell.endswith('"') and len(cell) >= 3:
        cell = cell[2:-1].replace('""', '"')
    if wanted.trim:
        cell = cell.strip()
    if wanted.empty_as_null and cell == "":
        return None
    if cell in wanted.map:
        return wanted.map[cell]
    if dates and wanted.date_format:
        return _date(column, cell, wanted.date_format)
    options: list[Any] = [
        wanted.decimal, wanted.thousands, wanted.trailing_minus, wanted.parentheses, wanted.unicode_minus,
        wanted.currency,
    ]  # fmt: skip
    return _number(column, cell, wanted) if numbers and any(options) else cell


def _date(column: str, cell: str, date_format: str) -> str:
    try:
        found = datetime.strptime(cell.strip(), date_format)  # noqa: DTZ007  # as the loader's
    except ValueError:
        raise Unreadable(column) from None
    has_time = any(f"%{letter}" in date_format for letter in "HIMSfpz")
    has_date = "%Y" in date_format or "%y" in date_format
    written = found.isoformat(" ")
    if not has_date:
        return written[11:]
    return written if has_time else written[:10]


def _number(column: str, cell: str, wanted: Conversion) -> str:
    if cell.strip().lower().lstrip("+-") in {"inf", "infinity"} or cell.strip().lower() == "nan":
        bare = cell.strip()
        if bare.lstrip("+-") in {bare, bare[1:]}:
            return cell
    sign, figures = _take_marks(cell.strip(), wanted)
    whole, point, below = figures.partition(wanted.decimal or ".")
    last = below if point else whole
    mark = "e" if "e" in last else "E"
    last, e, exponent = last.partition(mark)
    whole, below = (whole, last) if point else (last, "")
    whole = _ungrouped(whole, wanted.thousands)
    digits = exponent.removeprefix("+") if exponent.startswith("+") else exponent.removeprefix("-")
    if not all(_is_digits(part) for part in (whole, below)) or not (whole or below):
        raise Unreadable(column)
    if e and (not digits or not _is_digits(digits)):
        raise Unreadable(column)
    return f"{'-' if sign == '-' else ''}{whole}{'.' if point else ''}{below}{e}{exponent}"


def _take_marks(text: str, wanted: Conversion) -> tuple[str, str]:
    """Take off a sign and a currency, whichever stands outside."""
    minuses = ["-"] + ["\u2212"] * wanted.unicode_minus
    sign = currency = ""
    changed = True
    while changed:
        changed = False
        if not sign and text.startswith(("+", *minuses)):
            sign, text, changed = ("+" if text[0] == "+" else "-"), text[1:].strip(), True
            continue
        if not sign and wanted.trailing_minus and text.endswith(("+", *minuses)):
            sign, text, changed = ("+" if text[-1] == "+" else "-"), text[:-1].strip(), True
            continue
        if not sign and wanted.parentheses and text.startswith("(") and text.endswith(")"):
            sign, text, changed = "-", text[1:-1].strip(), True
            continue
        for each in sorted(wanted.currency, key=len, reverse=True):
            if not currency and text.startswith(each):
                currency, text, changed = each, text.removeprefix(each).strip(), True
            elif not currency and text.endswith(each):
                currency, text, changed = each, text.removesuffix(each).strip(), True
    return sign, text


def _ungrouped(whole: str, mark: str | None) -> str:
    """Return digits without what stands between groups of three, or something that is no digits."""
    gaps = [gap for gap in (mark, *SPACES) if mark is not None and gap and gap in whole]
    if not gaps:
        return whole
    first, *groups = whole.split(gaps[0])
    is_grouped = 1 <= len(first) <= 3 and all(len(group) == 3 for group in groups)
    return "".join([first, *groups]) if is_grouped else "?"


def _is_digits(text: str) -> bool:
    return all(letter in "0123456789" for letter in text)
