"""Convert the text of a cell into the text that Postgres judges, as its dataset has declared."""

import re
from collections.abc import Callable
from typing import NamedTuple

from libs.common.datasets.conversions import Conversion
from services.loader.cells.date_reader import DateReader
from services.loader.cells.number_reader import NumberReader

_EXCEL_TEXT = re.compile(r'="(.*)"', re.DOTALL)
_SHOWN = 100
"""So many characters of a cell are shown."""


class Unreadable(NamedTuple):
    """Why a cell cannot be converted, and how to fix it."""

    message: str


class CellConverter:
    """The conversions of one column, one after the other."""

    def __init__(self, column: str, conversion: Conversion) -> None:
        """Prepare what is declared."""
        self.column = column
        self._conversion = conversion
        self._read: Callable[[str], str | None] | None = None
        if conversion.date_format is not None:
            self._read = DateReader(conversion.date_format).read
        elif conversion.reads_numbers:
            self._read = NumberReader(conversion).read

    def convert(self, text: str) -> str | Unreadable | None:
        """Return the text that Postgres is to read, None for NULL."""
        wanted = self._conversion
        if wanted.excel_text and (found := _EXCEL_TEXT.fullmatch(text)):
            text = found[1].replace('""', '"')
        if wanted.trim:
            text = text.strip()
        if wanted.empty_as_null and not text:
            return None
        if text in wanted.map:
            return wanted.map[text]
        if self._read is None:
            return text
        read = self._read(text)
        return self._refuse(text) if read is None else read

    def _refuse(self, text: str) -> Unreadable:
        shown = repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
        return Unreadable(
            f"{shown} is {self._describe()}, as 'convert' of column {self.column!r} declares; correct the cell and "
            "replay the row, or change what is declared"
        )

    def _describe(self) -> str:
        """Say what a cell should have been."""
        wanted = self._conversion
        if wanted.date_format is not None:
            return f"no date of 'date_format' {wanted.date_format!r}"
        marks = {"decimal": wanted.decimal or ".", "thousands": wanted.thousands}
        said = [f"{name!r} {mark!r}" for name, mark in marks.items() if mark is not None]
        return f"no number with {' and '.join(said)}"
