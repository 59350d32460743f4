"""Write to the terminal: tables that fit it, colours where it has them, or JSON for programs.

What was asked for goes to the standard output, everything else to the standard error.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP = 2
"""Blanks between two columns."""
UNBOUNDED = 10_000

COLOURS = {
    "succeeded": "green",
    "completed_with_rejects": "yellow",
    "failed": "red",
    "cancelled": "red",
    "checked": "green",
    "duplicate": "dim",
    "outdated": "dim",
}


def console() -> Console:
    """Return the terminal of results; a file or a pipe has lines of any length."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=UNBOUNDED)


def messages() -> Console:
    """Return the terminal of messages and progress."""
    return Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Write a message as it stands."""
    messages().print(Text(message), soft_wrap=True)


Cell = str | Text


@dataclass(frozen=True)
class Column:
    """A column of a table. Where room is short those of the lowest rank go first; `width` is what it needs at least.

    `is_whole`: its cells go on in the next line rather than lose their ends.
    """

    title: str
    width: int
    rank: int = 9
    is_number: bool = False
    is_whole: bool = False


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table of as many columns as the terminal has room for; files and pipes get all."""
    target = console()
    target.print(made_table(columns, rows, target.width))


def made_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], width: int) -> Table:
    """Return a table that is at most so many characters wide."""
    cells = [list(map(_text, row)) for row in rows]
    longest = [
        max([len(column.title), *(row[place].cell_len for row in cells)])
        for place, column in enumerate(columns)
    ]
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    widths = fitting(columns, longest, width)
    for place, room in widths.items():
        column = columns[place]
        table.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            no_wrap=not column.is_whole,
            overflow="fold" if column.is_whole else "ellipsis",
            width=room,
        )
    for row in cells:
        table.add_row(*(row[place] for place in widths))
    return table


def fitting(columns: Sequence[Column], longest: Sequence[int], width: int) -> dict[int, int]:
    """Return the columns that fit, by their places, and how wide each is: first what each needs, then what is left."""
    by_rank = sorted(range(len(columns)), key=lambda place: (columns[place].rank, place))
    widths: dict[int, int] = {}
    left = width + GAP  # none stands behind the last column
    for place in by_rank:
        needed = min(columns[place].width, longest[place])
        if widths and left < needed + GAP:
            break
        widths[place] = min(needed, width)
        left -= needed + GAP
    for place in by_rank[: len(widths)]:
        more = max(0, min(left, longest[place] - widths[place]))
        widths[place] += more
        left -= more
    return dict(sorted(widths.items()))


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def show_json(value: Any) -> None:
    """Print a value as JSON: one of the client's models, or a list of them."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str))  # noqa: T201


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(each) for each in value] if isinstance(value, list) else value


def coloured(state: str) -> Text:
    """Return a job's state in its colour."""
    return Text(state, style=COLOURS.get(state, "cyan"))


def moment(value: datetime | None) -> str:
    """Write a point in time in the zone of the reader, to the second."""
    return value.astimezone().strftime("%Y-%m-%d %H:%M:%S") if value else ""


def size(number: int | None) -> str:
    """Write a number of bytes as people read it."""
    if number is None:
        return ""
    value, units = float(number), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    for larger in units:
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
