"""Define the dialect of a CSV file: its characters, its encoding, its compression."""

import codecs
from functools import cache
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from libs.common.csv.utf16 import ENCODINGS as WIDE_ENCODINGS
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
    if codec.name in {"utf-8", *WIDE_ENCODINGS}:
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


Encoding = Annotated[str, AfterValidator(_readable)]


class FileFormat(StrictModel):
    """The dialect of a dataset's files."""

    delimiter: str = Field(
        ",", min_length=1, max_length=1, description="One character between cells."
    )
    quote: str = Field('"', min_length=1, max_length=1, description="One character around a cell.")
    encoding: Encoding = Field(
        "utf-8",
        description="Python name of a single-byte encoding, utf-8, utf-16 (the file's mark tells the byte"
        " order; without one it is the little one), utf-16-le or utf-16-be.",
    )
    null: str = Field("", max_length=64, description="An unquoted cell with this text is NULL.")
    compression: Literal["auto", "none", "gzip", "zstd"] = Field(
        "auto", description="auto looks at the file's first bytes."
    )

    @model_validator(mode="after")
    def _distinct_characters(self) -> Self:
        for name, character in (("delimiter", self.delimiter), ("quote", self.quote)):
            if not character.isascii() or character in "\r\n\0":
                raise ValueError(f"{name} must be one ASCII character other than NUL, CR and LF")
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote must differ")
        return self
