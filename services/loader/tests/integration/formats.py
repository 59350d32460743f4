"""Write records as many programs write them, by every option of a file format, for the random files.

What an option declares is mostly so in the file, and sometimes not.
"""

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from backports import zstd

from libs.common.csv.dialect import FileFormat


def _in_gzip_members(data: bytes) -> bytes:
    middle = len(data) // 2
    return gzip.compress(data[:middle]) + gzip.compress(data[middle:])


def _in_zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.csv", data)
    return file.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _in_gzip_members,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": _in_zip,
}
_PLAIN = 0.5
"""So many files have no option beside what every file has."""
_JSON = 0.1
"""So many of the others are lines of JSON."""
_FINITE = re.compile(r"[^NI\s]*")
"""What is no NaN, no Infinity, and nothing between which a line could end."""


@dataclass(frozen=True)
class Writing:
    """How a file is written; `options` are those of its format beside the dialect."""

    dialect: dict[str, Any]
    encoding: str
    null: str | list[str]
    ending: str
    quoting: float
    has_mark: bool = False
    compression: str = "none"
    quoted_null: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def stored_encoding(self) -> str:
        """Return the encoding with its byte order."""
        return "utf-16-le" if self.encoding == "utf-16" else self.encoding

    @property
    def delimiter(self) -> str:
        """Return what stands between cells."""
        return str(self.dialect.get("delimiter", ","))

    @property
    def nulls(self) -> list[str]:
        """Return the texts that stand for NULL."""
        return [self.null] if isinstance(self.null, str) else self.null

    @property
    def quote(self) -> str | None:
        """Return what stands around cells, if anything does."""
        quote: str | None = self.dialect.get("quote", '"')
        return quote

    def line(self, rng: Random, cells: list[str | None]) -> bytes:
        """Return a record with its line end."""
        if self.options.get("type") == "jsonl":
            return self.encode(self._object(rng, cells) + self.ending)
        text = self.delimiter.join(self._cell(rng, cell) for cell in cells)
        if self.options.get("trailing_delimiter") and rng.random() < 0.97:
            text += self.delimiter
        return self.encode(text + self.ending)

    def encode(self, text: str) -> bytes:
        """Return text as it stands in the file; what the encoding lacks becomes a question mark."""
        return text.encode(self.stored_encoding, "replace")

    def head(self, rng: Random, names: list[str]) -> bytes:
        """Return what stands before the first record."""
        header = self.options.get("header", {})
        above = ["a preamble", "", "x,y", "#"][: header.get("skip_before", 0)]
        if "find" in header:
            above = rng.choice(([], ["Statement"], ["", "a;b", "1"]))
        if self.options.get("comment") and "find" not in header and rng.random() < 0.5:
            above.append(f"{self.options['comment']} made by {self.delimiter} night")
        text = "".join(line + self.ending for line in above)
        below = "".join(f"unit{n}{self.ending}" for n in range(header.get("skip_after", 0)))
        lines = (self.line(rng, [*names]) for _ in range(1000))
        # An escape may stand within the name that is looked for.
        wanted = self.encode(header.get("find") or "")
        line = b"" if header.get("lines") == 0 else next(each for each in lines if wanted in each)
        mark = "\ufeff" if self.has_mark else ""
        return self.encode(mark + text) + line + self.encode(below)

    def beside(self, rng: Random) -> list[bytes]:
        """Return what stands among the records and is none, if anything."""
        if not self.options or rng.random() > 0.1:
            return []
        texts = [self.delimiter * rng.randrange(1, 4)]
        if "comment" in self.options:
            comment = str(self.options["comment"])
            texts += [comment, comment + "it's", comment + '1,"b', comment + '"a\nb"', comment * 3]
        return [self.encode(rng.choice(texts) + self.ending)]

    def footer(self, rng: Random) -> bytes:
        """Return the lines of the footer."""
        form = self.options.get("footer")
        if form is None:
            return b""
        lines = ["T,1", "total", '"x'][: form["lines"]]
        last = rng.choice(("", self.ending, self.ending * 2, self.ending + "\x1a"))
        return self.encode(self.ending.join(lines) + last)

    def _cell(self, rng: Random, cell: str | None) -> str:
        quote, escape = self.quote, self.dialect.get("escape")
        if cell is None:
            return self._null(rng)
        if quote is None:
            return self._without_marks(cell)
        marks = (quote, *self.delimiter, "\n", "\r", *([escape] if escape else []))
        starts = tuple(filter(None, (self.options.get("comment"),)))
        needs_quotes = (
            cell in self.nulls or cell.startswith(starts) or any(m in cell for m in marks)
        )
        if escape and rng.random() < 0.5:
            return self._escaped(rng, cell, escape)
        if needs_quotes or rng.random() < self.quoting:
            text = cell.replace(escape, escape * 2) if escape else cell
            return quote + text.replace(quote, quote * 2) + quote
        return cell

    def _null(self, rng: Random) -> str:
        """Return what stands for NULL."""
        null = rng.choice(
            (*self.nulls, "\\N") if self.dialect.get("escape") else self.nulls or [""]
        )
        is_quoted = self.quoted_null and self.quote is not None and rng.random() < 0.3
        return f"{self.quote}{null}{self.quote}" if is_quoted else null

    def _object(self, rng: Random, cells: list[str | None]) -> str:
        """Return a record as a JSON object."""
        names = self.options["header"]["names"]
        members = list(zip(names, cells, strict=True))
        rng.shuffle(members)
        gap = rng.choice(("", " "))
        written = [
            f"{json.dumps(name)}:{gap}{_write_value(rng, cell)}"
            for name, cell in members
            if cell is not None or rng.random() < 0.5
        ]
        return "{" + f",{gap}".join(written) + "}"

    def _without_marks(self, cell: str) -> str:
        """Return what can be written without quotes."""
        for mark in (*self.delimiter, "\r", "\n"):
            cell = cell.replace(mark, "~")
        return cell

    def _escaped(self, rng: Random, cell: str, escape: str) -> str:
        """Return a cell in which each character that needs it, and some others, stand behind an escape."""
        meant = {"\n": "n", "\t": "t", "\r": "r"}
        marks = {self.quote, escape, "\r", "\n", *self.delimiter}
        text = ""
        for letter in cell:
            if letter in meant and rng.random() < 0.7:
                text += escape + meant[letter]
            elif letter in marks or (letter not in "ntrb0ZN" and rng.random() < 0.05):
                text += escape + letter
            else:
                text += letter
        is_quoted = not text or rng.random() < 0.5
        return f"{self.quote}{text}{self.quote}" if is_quoted else text


def _write_value(rng: Random, cell: str | None) -> str:
    """Return the JSON of a cell: of a number or of something nested as it stands, sometimes."""
    try:
        is_other = cell is not None and not isinstance(json.loads(cell), (str, type(None)))
    except (ValueError, RecursionError):
        is_other = False
    if cell is not None and is_other and _FINITE.fullmatch(cell) and rng.random() < 0.5:
        return cell
    return json.dumps(cell, ensure_ascii=rng.random() < 0.5)


def make_format(rng: Random, writing: Writing, names: list[str]) -> Writing:
    """Return the writing with random options that do not contradict each other, or without any."""
    if rng.random() < _PLAIN:
        return writing
    if rng.random() < _JSON:
        names_of = {"type": "jsonl", "header": {"lines": 0, "names": names}}
        return replace(writing, dialect={}, null="", options=names_of)
    made = replace(
        writing,
        dialect=_make_dialect(rng, writing.dialect, names),
        options=_make_options(rng, writing, names),
    )
    while True:
        try:
            FileFormat.model_validate({**made.dialect, **made.options})
        except ValueError:
            made = replace(made, options={k: v for k, v in made.options.items() if k != "comment"})
        else:
            return made


def _make_dialect(rng: Random, dialect: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the dialect, perhaps with another delimiter, without quotes, or with escapes."""
    changes = rng.choice(
        (
            {},
            {},
            {"quote": None},
            {"quote": None, "delimiter": "\t"},
            {"escape": "\\"},
            {"delimiter": "||"},
            {"delimiter": "\x01", "quote": None},
            {"delimiter": "~|~", "escape": "\\"},
        )
    )
    made = {**dialect, **changes}
    if made.get("quote", "") is None and made.get("delimiter", ",") in "".join(names):
        return dialect
    return made


def _make_options(rng: Random, writing: Writing, names: list[str]) -> dict[str, Any]:
    """Return some of the other options."""
    header = rng.choice(
        (
            {"lines": 0, "names": names},
            {"skip_before": rng.randrange(1, 5)},
            {"find": _plain_part(names)},
            {"skip_after": rng.randrange(1, 3)},
            {"repeated": True},
        )
    )
    declared = {"\n": "lf", "\r\n": "crlf", "\r": "cr"}[writing.ending]
    every: dict[str, Any] = {
        "header": header,
        "comment": rng.choice(("#", "--")),
        "footer": {"lines": rng.randrange(1, 4)},
        "blank_records": "skip",
        "trailing_delimiter": True,
        "line_end": declared if rng.random() < 0.9 else rng.choice(("lf", "crlf", "cr")),
    }
    chosen = {name: every[name] for name in rng.sample(sorted(every), rng.randrange(4))}
    if header.get("find") is None and "find" in header:
        chosen.pop("header", None)
    if "line_end" in chosen and chosen.get("header", {}).get("lines") != 0:
        chosen["line_end"] = declared  # else there is no header
    return chosen


def _plain_part(names: list[str]) -> str | None:
    """Return a name that stands in the header as it is and nowhere above it."""
    return next((name for name in names if name.isalnum() and len(name) > 1), None)
