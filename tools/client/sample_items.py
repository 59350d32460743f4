"""Make sample files of items: any number of rows, a chosen share of bad ones, the same for a seed.

Used for the tests with big files and the benchmarks (the sample in ``infra/sample`` has this shape):
``python -m tools.client.sample_items --rows 1000000 --bad 0.01 --seed 7 items.csv``. Every value is a hash of
the seed, the column and the row's place, so a file does not depend on how it is cut into blocks;
blocks are made by columns and written one by one, so memory does not grow with the file.
5,000,000 rows are 387 MB.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl

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
_DATES = pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 10, 27), eager=True, closed="left")
_DAYS, _GERMAN_DAYS = (_DATES.dt.to_string(form) for form in ("%Y-%m-%d", "%d.%m.%Y"))
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
        with path.open("wb") as file:
            file.write(HEADER.replace(b",", self.delimiter.encode()))
            for frame in self._blocks():
                bad += self._write_block(frame, bad, file)
        return bad

    def _blocks(self) -> Iterator[pl.DataFrame]:
        """Yield the places of the rows, counted from 0, some at a time."""
        for start in range(0, self.rows, BLOCK_ROWS):
            end = min(start + BLOCK_ROWS, self.rows)
            yield pl.DataFrame({"place": pl.int_range(start, end, dtype=pl.UInt64, eager=True)})

    def _write_block(self, places: pl.DataFrame, bad_before: int, file: BinaryIO) -> int:
        is_bad = (self._random("bad") % _CHANCES) < round(self.bad_ratio * _CHANCES)
        block = places.with_columns(is_bad=is_bad).with_columns(
            # Kinds take turns over the whole file, so that their shares are equal.
            kind=pl.when("is_bad").then(
                (pl.col("is_bad").cast(pl.Int64).cum_sum() - 1 + bad_before) % len(BAD_KINDS)
            )
        )
        block.select(self._line()).write_csv(file, include_header=False, quote_style="never")
        return int(block["is_bad"].sum())

    def _line(self) -> pl.Expr:
        """Return the text of a line, without its end."""
        cells = [self._sku(), self._name(), self._one_of(CATEGORIES, "category"), self._price()]
        return pl.concat_str(
            pl.concat_str(*cells, separator=self.delimiter),
            pl.when(_is("ragged"))
            .then(pl.lit(""))
            .otherwise(
                pl.concat_str(
                    pl.lit(""), self._quantity(), self._moment(), separator=self.delimiter
                )
            ),
        )

    def _sku(self) -> pl.Expr:
        number = pl.col("place") + self.first
        if self.half_present:
            number += pl.when(pl.col("place") % 2 == 1).then(self.rows).otherwise(0)
        if self.is_next_day:
            is_new = pl.col("place") % _NEW_EVERY == _NEW_EVERY // 2
            number += pl.when(is_new).then(self.rows).otherwise(0)
        return pl.lit("SKU-") + number.cast(pl.String).str.zfill(9)

    def _name(self) -> pl.Expr:
        """Return a name; about one in eight needs quotes."""
        number = (self._random("number") % 29_999 + 1).cast(pl.String)
        words = (self._one_of(ADJECTIVES, "adjective"), self._one_of(NOUNS, "noun"))
        name = pl.concat_str(*words, pl.lit("no"), number, separator=" ")
        quoted = pl.format('"{}, ""{}"""', name, self._one_of(ADJECTIVES, "remark"))
        return pl.when(self._random("quoted") % 8 == 0).then(quoted).otherwise(name)

    def _price(self) -> pl.Expr:
        cents = self._random("price") % 99_999 + 1
        if self.is_next_day:
            cents += pl.when(pl.col("place") % _CHANGED_EVERY == 1).then(1).otherwise(0)
        price = pl.concat_str(
            (cents // 100).cast(pl.String),
            pl.lit("," if self.is_german else "."),
            (cents % 100).cast(pl.String).str.zfill(2),
        )
        return pl.when(_is("check")).then(pl.lit("-1.00")).otherwise(price)

    def _quantity(self) -> pl.Expr:
        return (
            pl.when(_is("type"))
            .then(pl.lit("many"))
            .when(_is("range"))
            .then(pl.lit("3000000000"))
            .otherwise((self._random("quantity") % 1_000).cast(pl.String))
        )

    def _moment(self) -> pl.Expr:
        second = self._random("second") % 86_400
        parts = (second // 3600, second // 60 % 60, second % 60)
        clock = pl.concat_str(*(part.cast(pl.String).str.zfill(2) for part in parts), separator=":")
        days = _GERMAN_DAYS if self.is_german else _DAYS
        day = pl.lit(days).gather(self._random("day") % len(days))
        day = pl.when(_is("date")).then(pl.lit("2026-02-30")).otherwise(day)
        return pl.concat_str(day, pl.lit(" "), clock, pl.lit("" if self.is_german else "+00"))

    def _one_of(self, words: tuple[str, ...], column: str) -> pl.Expr:
        return pl.lit(pl.Series(words)).gather(self._random(column) % len(words))

    def _random(self, column: str) -> pl.Expr:
        """Return 32 bits that depend on the seed, the column and the row's place alone."""
        salt = int.from_bytes(column.encode()[:6].ljust(6, b"."), "big") * 1_000_003 + self.seed
        # The finalizer of splitmix64 (Steele, Lea, Flood 2014); products wrap at 64 bits.
        mixed = pl.col("place") * _u64(0x9E3779B97F4A7C15) + _u64(salt * 0xD1342543DE82EF95)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed // _u64(1 << shift))) * _u64(factor)
        return mixed // _u64(1 << 32)


def new_items(rows: int) -> int:
    """Return how many items of a next day's file of so many were not in that of the day before."""
    return (rows + _NEW_EVERY // 2 - 1) // _NEW_EVERY


def write_items(
    path: Path, rows: int, *, bad_ratio: float = 0.0, seed: int = 1, first: int = 1
) -> int:
    """Write a file of `rows` items and return how many of them are bad."""
    return ItemsFile(rows, bad_ratio, seed, first).write(path)


def _is(kind: str) -> pl.Expr:
    return pl.col("kind").eq_missing(BAD_KINDS.index(kind))


def _u64(value: int) -> pl.Expr:
    return pl.lit(value % (1 << 64), dtype=pl.UInt64)


def main() -> None:
    """Write a sample file as the command line asks."""
    parser = argparse.ArgumentParser(description="Make a CSV of sample items.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--bad", type=float, default=0.0, help="share of bad rows, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first item")
    parser.add_argument(
        "--half-present",
        action="store_true",
        help="every second item is one of a file of as many rows made without this option",
    )
    arguments = parser.parse_args()
    made = ItemsFile(
        arguments.rows, arguments.bad, arguments.seed, arguments.first, arguments.half_present
    )
    print(f"{made.write(arguments.path)} of {arguments.rows} rows are bad")


if __name__ == "__main__":
    main()
