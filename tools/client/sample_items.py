"""Make sample files of items: any number of rows, a chosen share of bad ones, the same for a seed.

Used for the tests with big files and the benchmarks (the sample in ``infra/sample`` has this shape). Every value is a
hash of the seed, the column and the row's place, so a file does not depend on how it is cut into blocks;
numbers are made by blocks and written one by one, so memory does not grow with the file.
5,000,000 rows are 387 MB.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

_Numbers = npt.NDArray[np.uint64]

HEADER = b"sku,name,category,price,quantity,updated_at\n"
CATEGORIES = ("books", "garden", "kitchen", "music", "office", "sports", "tools", "toys")
ADJECTIVES = (
    "blue",
    "compact",
    "folding",
    "green",
    "large",
    "light",
    "plain",
    "steady",
    "warm",
    "wide",
)
NOUNS = (
    "basket",
    "bottle",
    "brush",
    "chair",
    "kettle",
    "lamp",
    "notebook",
    "racket",
    "shelf",
    "violin",
)
BAD_KINDS = ("type", "range", "date", "check", "ragged")
BLOCK_ROWS = 250_000
_DAYS = tuple(date(2026, 1, 1) + timedelta(days=number) for number in range(299))
_CHANCES = 1_000_000
_CHANGED_EVERY, _NEW_EVERY = 100, 200
"""Of a file of the next day: one in so many has another price, is another item."""


@dataclass(frozen=True)
class ItemsFile:
    """What a file of items holds.

    `first` is the number of the first item. With `half_present`, every second item is one of those
    that a file of as many rows, made without it, holds; the others are new. With `is_next_day` it is what such a file
    may be a day later: one in a hundred has another price, one in two hundred another one's place.
    """

    rows: int
    bad_ratio: float = 0.0
    seed: int = 1
    first: int = 1
    half_present: bool = False
    is_next_day: bool = False
    is_german: bool = False
    """Cells stand between semicolons, prices have a comma, and days come before months."""

    @property
    def delimiter(self) -> str:
        """Return what stands between cells."""
        return ";" if self.is_german else ","

    def write(self, path: Path) -> int:
        """Write the file in UTF-8 and return how many of its rows are bad."""
        bad = 0
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(HEADER.decode().replace(",", self.delimiter))
            for start in range(0, self.rows, BLOCK_ROWS):
                places = np.arange(start, min(start + BLOCK_ROWS, self.rows), dtype=np.uint64)
                lines = self._lines(places)
                bad += self._spoil(lines, places, bad)
                file.writelines(f"{line}\n" for line in lines)
        return bad

    def _spoil(self, lines: list[str], places: _Numbers, bad_before: int) -> int:
        """Make bad ones of some lines, and return how many."""
        is_bad = self._random(places, "bad") % _CHANCES < round(self.bad_ratio * _CHANCES)
        bad = np.flatnonzero(is_bad).tolist()
        for number, place in enumerate(bad, bad_before):
            # Kinds take turns over the whole file, so that their shares are equal.
            start, *rest = lines[place].rsplit(self.delimiter, 3)
            cells = _spoilt(BAD_KINDS[number % len(BAD_KINDS)], *rest)
            lines[place] = self.delimiter.join((start, *cells))
        return len(bad)

    def _lines(self, places: _Numbers) -> list[str]:
        """Return the lines of these places, counted from 0, all of them good."""
        columns = (
            self._skus(places),
            self._names(places),
            self._one_of(CATEGORIES, places, "category"),
            self._prices(places),
            self._one_of([str(number) for number in range(1_000)], places, "quantity"),
            self._moments(places),
        )
        return [self.delimiter.join(cells) for cells in zip(*columns, strict=True)]

    def _skus(self, places: _Numbers) -> list[str]:
        numbers = places + self.first
        if self.half_present:
            numbers[places % 2 == 1] += self.rows
        if self.is_next_day:
            numbers[places % _NEW_EVERY == _NEW_EVERY // 2] += self.rows
        return [f"SKU-{number:09}" for number in numbers.tolist()]

    def _names(self, places: _Numbers) -> list[str]:
        """Return names; about one in eight needs quotes."""
        parts = (
            self._one_of(ADJECTIVES, places, "adjective"),
            self._one_of(NOUNS, places, "noun"),
            self._below(29_999, places, "number"),
            self._one_of(ADJECTIVES, places, "remark"),
            self._below(8, places, "quoted"),
        )
        return [
            f"{adjective} {noun} no {number + 1}"
            if turn
            else f'"{adjective} {noun} no {number + 1}, ""{remark}"""'
            for adjective, noun, number, remark, turn in zip(*parts, strict=True)
        ]

    def _prices(self, places: _Numbers) -> list[str]:
        cents = self._random(places, "price") % 99_999 + 1
        if self.is_next_day:
            cents[places % _CHANGED_EVERY == 1] += 1
        mark = "," if self.is_german else "."
        ends = [f"{mark}{cent:02}" for cent in range(100)]
        wholes, parts = (cents // 100).tolist(), (cents % 100).tolist()
        return [f"{whole}{ends[part]}" for whole, part in zip(wholes, parts, strict=True)]

    def _moments(self, places: _Numbers) -> list[str]:
        form, zone = ("%d.%m.%Y", "") if self.is_german else ("%Y-%m-%d", "+00")
        days = self._one_of([day.strftime(form) for day in _DAYS], places, "day")
        clocks = self._one_of(_clocks(), places, "second")
        return [f"{day} {clock}{zone}" for day, clock in zip(days, clocks, strict=True)]

    def _one_of(self, words: Sequence[str], places: _Numbers, column: str) -> list[str]:
        return [words[number] for number in self._below(len(words), places, column)]

    def _below(self, end: int, places: _Numbers, column: str) -> list[int]:
        numbers: list[int] = (self._random(places, column) % end).tolist()
        return numbers

    def _random(self, places: _Numbers, column: str) -> _Numbers:
        """Return 32 bits that depend on the seed, the column and the row's place alone."""
        salt = int.from_bytes(column.encode()[:6].ljust(6, b"."), "big") * 1_000_003 + self.seed
        # The finalizer of splitmix64 (Steele, Lea, Flood 2014); products wrap at 64 bits.
        mixed = places * np.uint64(0x9E3779B97F4A7C15)
        mixed += np.uint64(salt * 0xD1342543DE82EF95 % (1 << 64))
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return mixed >> np.uint64(32)


def new_items(rows: int) -> int:
    """Return how many items of a next day's file of so many were not in that of the day before."""
    return (rows + _NEW_EVERY // 2 - 1) // _NEW_EVERY


def write_items(
    path: Path, rows: int, *, bad_ratio: float = 0.0, seed: int = 1, first: int = 1
) -> int:
    """Write a file of `rows` items and return how many of them are bad."""
    return ItemsFile(rows, bad_ratio, seed, first).write(path)


def _spoilt(kind: str, price: str, quantity: str, moment: str) -> tuple[str, ...]:
    """Return the last cells of a line that is bad in this way."""
    cells = {
        "type": (price, "many", moment),
        "range": (price, "3000000000", moment),
        "date": (price, quantity, "2026-02-30" + moment[10:]),
        "check": ("-1.00", quantity, moment),
        "ragged": (price,),
    }
    return cells[kind]


@cache
def _clocks() -> list[str]:
    """Return each second of a day."""
    return [str(timedelta(seconds=second)).zfill(8) for second in range(86_400)]
