"""Write CSV that a person may open in a spreadsheet: no cell is taken for a formula.

As in the files that are loaded, an unquoted empty cell is NULL and ``""`` is the empty string.
"""

import re
from collections.abc import Iterable

MEDIA_TYPE = "text/csv; charset=utf-8"

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_QUOTED_FOR = ('"', ",", "\r", "\n", "\ufeff")


def write_line(cells: Iterable[str | int | None]) -> str:
    """Return one CSV line with its end."""
    return ",".join(_write_cell(cell) for cell in cells) + "\r\n"


def defuse(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would run; plain numbers stay as they are.

    What begins so behind apostrophes gets one more, so that `undo_defuse` returns every cell as it was.
    """
    return "'" + cell if _is_formula(cell.lstrip("'")) else cell


def undo_defuse(cell: str) -> str:
    """Take the apostrophe off again that `defuse` has put there."""
    is_defused = cell.startswith("'") and _is_formula(cell.lstrip("'"))
    return cell[1:] if is_defused else cell


def _is_formula(cell: str) -> bool:
    return cell.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(cell)


def _write_cell(cell: str | int | None) -> str:
    if cell is None:
        return ""
    text = defuse(str(cell))
    if not text or text != text.strip() or any(mark in text for mark in _QUOTED_FOR):
        return '"' + text.replace('"', '""') + '"'
    return text
