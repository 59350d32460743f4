"""Write random files as senders write them, and declare that in the dataset: conversions, mappings, added columns.

What comes of it is for the oracle to say; here cells only have to look like what is declared, most of the time.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from services.loader.tests.integration.spellings import Spelling
from services.loader.tests.integration.tables import Column, Shape

Row = list[str | None]
Rewrite = Callable[[Random, str], str]
Form = Literal["NFC", "NFD"]

_NUMBERS = ("smallint", "int", "bigint", "numeric", "real", "double")
_DATES = ("date", "timestamp")
_NUMBER_OPTIONS: tuple[dict[str, Any], ...] = (
    {"decimal": ","},
    {"decimal": ",", "thousands": "."},
    {"decimal": ",", "thousands": " "},
    {"thousands": ","},
    {"thousands": "'", "trailing_minus": True},
    {"decimal": ",", "parentheses": True, "unicode_minus": True},
    {"decimal": ",", "thousands": ".", "currency": ["€", "EUR", "$"], "trailing_minus": True},
)
_DATE_FORMATS = (
    *("%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%d%m%y", "%d-%b-%Y", "%d.%m.%Y %H:%M", "%Y-%m-%d"),
    *(
        "%d.%m.%Y %H:%M:%S",
        "%H:%M %d/%m/%Y",
        "%d.%m.%Y %H:%M:%S.%f",
        "%Y-%m-%dT%H:%M:%S%z",
        "%j/%Y",
    ),
)
_TEXT_OPTIONS: tuple[dict[str, Any], ...] = (
    {"trim": True},
    {"empty_as_null": True},
    {"trim": True, "empty_as_null": True},
    {"excel_text": True},
    {"map": {"1": "2", "a": None, "": "x", "true": "false"}},
    {"excel_text": True, "trim": True, "empty_as_null": True, "map": {"x": "1"}},
)
_ADDED = {
    "adsp_file": ("text", ("$file",)),
    "adsp_line": ("bigint NOT NULL", ("$line",)),
    "adsp_small": ("smallint CHECK (adsp_small < 200)", ("$line", "7", "70000", "x")),
    "adsp_label": ("varchar(5)", ("const", "a\tb\\N", "$$x", "$line", "too long", "")),
    "adsp_job": ("uuid", ("$job_id",)),
    "adsp_day": ("date NOT NULL", ("$data_date", "2026-02-03", "02/03/2026")),
    "adsp_moment": ("timestamptz", ("$data_date", "2026-02-03 10:00:00+01")),
    "adsp_kind": ("point", ("(1,2)", "x")),
    "adsp_number": ("numeric(6,2) CHECK (adsp_number > 0)", ("1.5", "-1")),
}
"""Columns to add: the type, and values, of which the first is the best."""
_COMMON_FORMATS = (
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%Y%m%d",
    "%d.%m.%Y %H:%M:%S",
    "%H:%M %d/%m/%Y",
    "%Y-%m-%d",
)


@dataclass
class Dressing:
    """How a file is written otherwise, and what its dataset declares about that."""

    options: dict[str, Any] = field(default_factory=dict)
    header: Row = field(default_factory=list)
    rewrites: dict[int, Rewrite] = field(default_factory=dict)
    more: list[int] = field(default_factory=list)
    """Places at which a cell of no column stands, each put in after those before."""

    def write(self, rng: Random, row: Row) -> Row:
        """Return a row's cells as they are written."""
        cells: Row = [
            self.rewrites[place](rng, cell) if cell is not None and place in self.rewrites else cell
            for place, cell in enumerate(row)
        ]
        for place in self.more:
            cells.insert(place, rng.choice((None, "x", 'é"', "1,5", "{")))
        return cells


def make_dressing(rng: Random, shape: Shape, forms: Sequence[Form], *, often: bool) -> Dressing:
    """Choose how the files of a table are dressed; columns that are added to rows are added to it.

    `forms` are the Unicode forms that the file's encoding can hold.
    """
    dressing = Dressing(header=[column.name for column in shape.given])
    if rng.random() > (0.6 if often else 0.3):
        return dressing
    options = dressing.options
    options["date_order"] = rng.choice((None, None, "DMY", "YMD", "MDY"))
    _convert(rng, shape, dressing, often=often)
    if rng.random() < 0.5:
        _rename(rng, dressing, forms)
    if rng.random() < 0.4:
        _put_between(rng, shape, dressing, often=often)
    if rng.random() < 0.5:
        _add(rng, shape, options, often=often)
    return dressing


def _convert(rng: Random, shape: Shape, dressing: Dressing, *, often: bool) -> None:
    """Declare conversions of some columns, and write their cells so; `often` those that blocks can read."""
    convert: dict[str, Any] = {}
    for place, column in enumerate(shape.given):
        kind = column.spelling.type
        is_read = kind.startswith((*_NUMBERS, *_DATES))
        if rng.random() < (0.5 if is_read or not often else 0.05):
            options, rewrite = _conversion(rng, kind, often=often)
            convert[column.name] = options
            dressing.rewrites[place] = rewrite
    if rng.random() < 0.2:
        convert["*"] = {"decimal": ",", "date_format": "%d.%m.%Y", "trim": True}
    dressing.options["convert"] = convert


def _conversion(rng: Random, kind: str, *, often: bool) -> tuple[dict[str, Any], Rewrite]:
    share = 0.97 if often else 0.8
    if kind.startswith(_NUMBERS) and rng.random() < share:
        options = rng.choice(_NUMBER_OPTIONS)
        return options, lambda rng, cell: _written_number(rng, cell, options)
    if kind.startswith(_DATES) and rng.random() < share:
        date_format = rng.choice(_COMMON_FORMATS if often else _DATE_FORMATS)
        return {"date_format": date_format}, lambda rng, cell: _written_date(rng, cell, date_format)
    options = rng.choice(_TEXT_OPTIONS if rng.random() < 0.9 else _NUMBER_OPTIONS)
    return options, lambda rng, cell: _written_text(rng, cell, options)


def _written_number(rng: Random, cell: str, options: dict[str, Any]) -> str:
    """Return a plain number as it is declared, now and then not."""
    if rng.random() < 0.05:
        return cell
    sign, figures = ("-", cell[1:]) if cell.startswith("-") else ("", cell)
    whole, point, below = figures.partition(".")
    if mark := options.get("thousands"):
        gap = rng.choice((mark, mark, mark, "\u00a0", " ")) if len(whole) > 3 else ""
        whole = (
            f"{int(whole):,}".replace(",", gap) if whole.isdigit() and whole.isascii() else whole
        )
    written = whole + (options.get("decimal", ".") if point else "") + below
    if currency := options.get("currency"):
        written = rng.choice(("", "", rng.choice(currency) + " ")) + written
        written += rng.choice(("", f" {rng.choice(currency)}"))
    return _signed(rng, sign, written, options)


def _signed(rng: Random, sign: str, written: str, options: dict[str, Any]) -> str:
    if not sign:
        return rng.choice(("", "", "", "+", " ")) + written
    ways = [f"-{written}"]
    ways += [f"{written}-"] * bool(options.get("trailing_minus"))
    ways += [f"({written})"] * bool(options.get("parentheses"))
    ways += [f"\u2212{written}"] * bool(options.get("unicode_minus"))
    return rng.choice(ways)


def _written_date(rng: Random, cell: str, date_format: str) -> str:
    """Return a date of the format, or what stood there, or one that is none."""
    if rng.random() < 0.05:
        return rng.choice(
            (cell, "30.02.2026", "00.00.0000", "3.2.2026", "2026-02-03", " 03.02.2026 ")
        )
    parts = {
        "%d": f"{rng.randint(1, 28):02}",
        "%m": f"{rng.randint(1, 12):02}",
        "%b": rng.choice(("Jan", "feb", "Dec")),
        "%j": f"{rng.randint(1, 366):03}",
        "%Y": f"{rng.choice((2026, 2024, 1999, 9, 9999)):04}",
        "%y": f"{rng.randint(0, 99):02}",
        "%H": f"{rng.randint(0, 23):02}",
        "%M": f"{rng.randint(0, 59):02}",
        "%S": f"{rng.randint(0, 59):02}",
        "%f": rng.choice(("5", "123456", "000")),
        "%z": rng.choice(("+0100", "Z", "-03:30", "+05:45:10")),
    }
    for letter, text in parts.items():
        date_format = date_format.replace(letter, text)
    return date_format


def _written_text(rng: Random, cell: str, options: dict[str, Any]) -> str:
    if options.get("excel_text") and rng.random() < 0.5:
        cell = '="' + cell.replace('"', '""') + '"'
    if options.get("trim") and rng.random() < 0.3:
        cell = rng.choice((" ", "\t", "\u00a0")) + cell + " "
    if options.get("map") and rng.random() < 0.1:
        return str(rng.choice(list(options["map"])))
    return "" if rng.random() < 0.1 else cell


def _rename(rng: Random, dressing: Dressing, forms: Sequence[Form]) -> None:
    """Write the header otherwise: mapped, in another case, or in another Unicode form."""
    options, header = dressing.options, [name or "" for name in dressing.header]
    if rng.random() < 0.5 and len({name.casefold() for name in header}) == len(header):
        options["header_match"] = "case_insensitive"
        dressing.header = [rng.choice((name, name.upper(), f" {name.lower()} ")) for name in header]
    else:
        dressing.header = [unicodedata.normalize(rng.choice(forms), name) for name in header]
    if rng.random() < 0.5:
        place = rng.randrange(len(header))
        options["columns"] = {"The column": header[place]}
        dressing.header[place] = "The column"


def _put_between(rng: Random, shape: Shape, dressing: Dressing, *, often: bool) -> None:
    """Put cells between the others that belong to no column."""
    names = rng.sample(("extra", "Extra ü", 'q"', "\\", "x" * 80), rng.choice((1, 1, 2)))
    for name in names:
        place = rng.randint(0, len(dressing.header))
        dressing.header.insert(place, name)
        dressing.more.append(place)
    how = rng.choice(("ignore", "map", "rescue")[: 2 if often and rng.random() < 0.8 else 3])
    if how == "ignore":
        dressing.options["unknown_columns"] = "ignore"
    elif how == "rescue":
        kind = rng.choice(("jsonb", "json", "text", "jsonb NOT NULL"))
        shape.columns.append(_extra("adsp_rest", kind))
        dressing.options["unknown_columns"] = {"rescue": "adsp_rest"}
    else:
        mapped = dressing.options.setdefault("columns", {})
        mapped.update(dict.fromkeys(names))


def _add(rng: Random, shape: Shape, options: dict[str, Any], *, often: bool) -> None:
    """Add columns that tell where a row comes from, or are the same for all."""
    added = {}
    for name in rng.sample(
        [n for n in _ADDED if not often or n != "adsp_kind"], rng.choice((1, 2, 3))
    ):
        kind, values = _ADDED[name]
        shape.columns.append(_extra(name, kind))
        added[name] = values[0] if often and rng.random() < 0.9 else rng.choice(values)
    options["add"] = added


def _extra(name: str, kind: str) -> Column:
    return Column(name, Spelling(kind, lambda _: "", ()), is_given=False)
