"""Define the dialect of a CSV file: its characters, its encoding, its compression."""

import codecs
import re
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from libs.common.csv.line_ends import LineEnd
from libs.common.csv.utf16 import UTF_16
from libs.common.strict_model import StrictModel


def _readable(name: str) -> str:
    """Accept UTF-16, and encodings in which every ASCII byte means itself, wherever it stands."""
    try:
        codec = codecs.lookup(name)
    except LookupError as exc:
        raise ValueError(
            f"unknown encoding {name!r}; use for example utf-8, utf-16, latin-1 or cp1252"
        ) from exc
    if codec.name == "utf-8-sig":
        return "utf-8"
    if codec.name in {"utf-8", *UTF_16}:
        return codec.name
    if not _is_single_byte_superset(codec.name):
        raise ValueError(f"encoding {name!r} is not supported; convert the file to utf-8 first")
    return codec.name


@cache
def _is_single_byte_superset(name: str) -> bool:
    """Return whether each byte is one character wherever it stands, and ASCII is the first 128 and no other byte.

    Lines, cells and quotes are found by their bytes, so a byte must not depend on those beside it.
    """
    each = [bytes([byte]) for byte in range(256)]
    try:
        letters = [byte.decode(name, "replace") for byte in each]
        return (
            letters[:128] == [chr(byte) for byte in range(128)]
            and all(len(letter) == 1 and not letter.isascii() for letter in letters[128:])
            and all(
                # Each byte before and behind each other one.
                byte.join(each).decode(name, "replace") == letter.join(letters)
                for byte, letter in zip(each, letters, strict=True)
            )
        )
    except (UnicodeError, LookupError):
        return False


NullText = Annotated[str, Field(max_length=64)]
Encoding = Annotated[str, AfterValidator(_readable)]


def _plain_signs(signs: str) -> str:
    """Accept ASCII without NUL and line ends: signs that are the same bytes in every encoding."""
    if not signs.isascii() or any(sign in signs for sign in "\r\n\0"):
        raise ValueError("must be of ASCII characters other than NUL, CR and LF")
    return signs


Signs = Annotated[str, AfterValidator(_plain_signs)]


class HeaderFormat(StrictModel):
    """Where the names of the columns stand."""

    lines: Literal[0, 1] = Field(1, description="0: the file has no header, `names` are its cells.")
    names: list[Annotated[str, Field(min_length=1, max_length=1024)]] = Field(
        default_factory=list, max_length=1600, description="The names of a file without a header."
    )
    skip_before: int = Field(
        0, ge=0, le=10_000, strict=True, description="Lines before the header that are no records."
    )
    find: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="The header is the first line that holds this text, or matches it as a regular expression.",
    )
    skip_after: int = Field(
        0, ge=0, le=10_000, strict=True, description="Lines below the header that are no records."
    )
    repeated: bool = Field(
        default=False, strict=True, description="The header stands again among the records."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.lines == 0) != bool(self.names):
            raise ValueError(
                "header: 'names' are those of a file without a header; set 'lines' to 0 with them, else leave them out"
            )
        if self.lines == 0 and (self.find or self.repeated or self.skip_after):
            raise ValueError(
                "header: with 'lines' 0 there is no header to find, to repeat, or to skip lines after; leave 'find', "
                "'repeated' and 'skip_after' out, or set 'lines' to 1 without 'names'"
            )
        if self.find and self.skip_before:
            raise ValueError(
                "header: 'find' and 'skip_before' both say where the header stands; keep one"
            )
        _require_names_once(self.names)
        return self


def _require_names_once(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"header: 'names' has {', '.join(twice)} twice; name each column once")


class FooterFormat(StrictModel):
    """The lines at a file's end that are no records."""

    lines: int = Field(
        1, ge=1, le=1000, strict=True, description="So many last lines, blank ones not counted."
    )
    pattern: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="A regular expression that one of these lines must match, else the file is not whole:"
        " trailer-mismatch.",
    )
    rows: str | int | None = Field(
        None,
        description="The group of `pattern` (its number or name) that holds the number of records of the file.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.rows is not None and self.pattern is None:
            raise ValueError(
                "footer: 'rows' is a group of 'pattern'; name that too, e.g. ^T,(\\d+) with rows 1"
            )
        if self.pattern is None:
            return self
        try:
            expression = re.compile(self.pattern)
        except (re.error, RecursionError, OverflowError) as exc:
            raise ValueError(f"footer: 'pattern' is no regular expression: {exc}") from exc
        groups = [*range(1, expression.groups + 1), *expression.groupindex]
        if self.rows is not None and self.rows not in groups:
            raise ValueError(
                f"footer: 'pattern' has no group {self.rows!r}; put the count in parentheses, as in ^T,(\\d+), and "
                "name their number in 'rows'"
            )
        return self


_NOT_OF_JSON = ("delimiter", "quote", "escape", "null", "blank_records", "trailing_delimiter")
"""Options that say nothing about lines of JSON."""


class FileFormat(StrictModel):
    """The dialect of a dataset's files."""

    type: Literal["csv", "jsonl"] = Field(
        "csv",
        description="jsonl: each line is a JSON object; the keys of the first one, or header.names, are the header.",
    )
    delimiter: Signs = Field(
        ",",
        min_length=1,
        max_length=8,
        description="Between cells: 1 to 8 ASCII characters, control characters too.",
    )
    quote: Signs | None = Field(
        '"',
        min_length=1,
        max_length=1,
        description="One character around a cell; null: nothing is quoted.",
    )
    escape: Literal["\\"] | None = Field(
        None,
        description="null: a quote inside quotes is doubled. A backslash: MySQL's style, also outside quotes:"
        ' \\" \\\\ \\n \\t, and \\N alone is NULL.',
    )
    encoding: Encoding = Field(
        "utf-8",
        description="Python name of a single-byte encoding, utf-8, utf-16 (the file's mark tells the byte"
        " order; without one it is the little one), utf-16-le or utf-16-be.",
    )
    null: NullText | Annotated[list[NullText], Field(max_length=100)] = Field(
        "", description="An unquoted cell with this text, or one of these texts, is NULL."
    )
    quoted_null: bool = Field(
        default=False, strict=True, description="A quoted cell with such a text is NULL, too."
    )
    header: HeaderFormat = Field(default_factory=HeaderFormat)
    comment: Signs | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="Lines that begin with this are no records.",
    )
    footer: FooterFormat | None = None
    blank_records: Literal["load", "skip"] = Field(
        "load", description="skip: records of empty cells only are no records."
    )
    line_end: LineEnd = Field(
        "auto",
        description="Where records end: auto is LF or CRLF, with CR where the header's line ends so; with crlf an LF"
        " alone is data, with cr too.",
    )
    trailing_delimiter: bool = Field(
        default=False, strict=True, description="Records end with one delimiter more."
    )
    compression: Literal["auto", "none", "gzip", "zstd", "bzip2", "xz", "zip"] = Field(
        "auto", description="auto looks at the file's first bytes."
    )
    member: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="Of a zip archive of several files: the name of the one that is loaded; may hold * and ?.",
    )

    @property
    def text_encoding(self) -> str:
        """Return the encoding of what is read of a file as text: UTF-16 becomes UTF-8."""
        return "utf-8" if self.encoding in UTF_16 else self.encoding

    @property
    def null_texts(self) -> tuple[str, ...]:
        """Return the texts that stand for NULL."""
        return (self.null,) if isinstance(self.null, str) else tuple(self.null)

    @model_validator(mode="before")
    @classmethod
    def _without_quotes(cls, given: Any) -> Any:
        """Lines of JSON have no cells that quotes could stand around."""
        if isinstance(given, dict) and given.get("type") == "jsonl":
            return {"quote": None, **given}
        return given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._refuse_shared_signs()
        if self.type == "jsonl":
            self._refuse_options_of_csv()
        if self.escape is not None and self.quote is None:
            raise ValueError(
                "'escape' needs a 'quote'; for a file with escapes and no quotes name one that it does not hold, "
                "e.g. \\u0001, or leave 'escape' out"
            )
        if self.member is not None and self.compression not in {"auto", "zip"}:
            raise ValueError(
                f"'member' names a file of a zip, but compression is {self.compression!r}; leave one of them out"
            )
        return self

    def _refuse_options_of_csv(self) -> None:
        """Raise for what lines of JSON do not have."""
        plain = {name: type(self).model_fields[name].default for name in _NOT_OF_JSON}
        said = [
            name for name, value in {**plain, "quote": None}.items() if getattr(self, name) != value
        ]
        if self.header.find or self.header.skip_after or self.header.repeated:
            said.append("header")
        if said:
            raise ValueError(
                f"type 'jsonl' knows no {said[0]!r}: a record's keys are its header, and JSON says where values begin "
                f"and end; leave {said[0]!r} out (of 'header', 'names' with 'lines' 0 and 'skip_before' do)"
            )

    def _refuse_shared_signs(self) -> None:
        """Raise where one byte would mean two things."""
        if self.quote is not None and self.quote in self.delimiter:
            raise ValueError(
                "delimiter and quote must differ; set 'quote' to null if there is none"
            )
        if self.escape is not None and self.escape in (self.delimiter + (self.quote or "")):
            raise ValueError("'escape' must be neither in the delimiter nor the quote")
        comment = self.comment
        if comment is None:
            return
        others = {"delimiter": self.delimiter, "quote": self.quote, "escape": self.escape}
        for name, sign in others.items():
            if sign is not None and (comment.startswith(sign) or sign.startswith(comment)):
                raise ValueError(
                    f"'comment' and {name!r} begin alike, so that a record could be taken for a comment; change one"
                )

    @property
    def byte_delimiter(self) -> int | None:
        """Return the delimiter if it is one byte."""
        return ord(self.delimiter) if len(self.delimiter) == 1 else None
