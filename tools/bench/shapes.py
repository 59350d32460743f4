"""The tables of the benchmark beside `items`: few columns, many, texts, and types of which Postgres reads each cell.

Postgres itself writes their files. A value is an expression over the row's number `g`, so it is the same everywhere.
"""

from dataclasses import dataclass
from pathlib import Path

from tools.bench.ledger import Ledger

_WORDS = (
    "'lamp violin kettle chair brush notebook shelf racket basket bottle compact folding plain'"
)


@dataclass(frozen=True)
class Shape:
    """A table: each column's name, type and value; `per_item` rows for each row of the items' files.

    `before` makes the types of the columns anew.
    """

    name: str
    what: str
    columns: tuple[tuple[str, str, str], ...]
    per_item: float
    before: str = ""

    @property
    def table(self) -> str:
        """Return the columns as CREATE TABLE has them."""
        return ", ".join(f"{name} {kind}" for name, kind, _ in self.columns)

    @property
    def header(self) -> str:
        """Return the columns' names."""
        return ",".join(name for name, _, _ in self.columns)

    def make_types(self, ledger: Ledger) -> None:
        """Make the types of the columns anew."""
        if self.before:
            ledger.execute(self.before)

    def count(self, rows: int) -> int:
        """Return how many rows the file has where those of items have so many."""
        return round(rows * self.per_item)


class ShapeFile:
    """What a file of a shape holds."""

    def __init__(self, shape: Shape, item_rows: int) -> None:
        """Hold as many rows as go with so many of items."""
        self.shape = shape
        self.rows = shape.count(item_rows)

    def write(self, ledger: Ledger, path: Path) -> None:
        """Write it as CSV with a header."""
        values = ", ".join(
            f"({value})::{kind} AS {name}" for name, kind, value in self.shape.columns
        )
        with path.open("wb") as file:
            ledger.copy_out(f"SELECT {values} FROM generate_series(1, {self.rows}) AS g", file)  # noqa: S608  # our own


def _random(salt: int, below: int) -> str:
    """Return a whole number below another that depends on the row and the salt alone."""
    return f"(hashint8extended(g, {salt}) & 9007199254740991) % {below}"


def _word(salt: int) -> str:
    """Return one of a few words."""
    return f"split_part({_WORDS}, ' ', 1 + ({_random(salt, 13)})::int)"


def _phrase(salt: int, words: int) -> str:
    """Return so many words and a number."""
    parts = [_word(salt + place) for place in range(words)]
    return " || ' ' || ".join([*parts, f"({_random(salt, 100_000)})::text"])


def _wide(place: int) -> tuple[tuple[str, str, str], ...]:
    """Return a column of each of eight types."""
    second = f"'2026-01-01'::timestamptz + ({_random(place + 5, 20_000_000)}) * interval '1 second'"
    return (
        (f"big_{place}", "bigint", _random(place, 10**12)),
        (f"whole_{place}", "integer", _random(place + 1, 10**6)),
        (f"price_{place}", "numeric(12,2)", f"({_random(place + 2, 10**8)}) / 100.0"),
        (f"flag_{place}", "boolean", f"{_random(place + 3, 2)} = 0"),
        (f"day_{place}", "date", f"'2026-01-01'::date + ({_random(place + 4, 300)})::int"),
        (f"moment_{place}", "timestamptz", second),
        (f"word_{place}", "text", _word(place + 6)),
        (f"id_{place}", "uuid", f"md5(g::text || '{place}')"),
    )


NARROW = Shape(
    "narrow",
    "2 columns (bigint, integer)",
    (("id", "bigint", "g"), ("amount", "integer", _random(1, 1_000_000))),
    per_item=2.0,
)
WIDE = Shape(
    "wide",
    "40 columns of eight types",
    tuple(column for n in range(5) for column in _wide(10 * n)),
    per_item=0.1,
)
TEXT = Shape(
    "text",
    "6 columns of text",
    (
        ("code", "text", "'C-' || lpad(g::text, 9, '0')"),
        ("name", "text", _phrase(10, 2)),
        ("category", "text", _word(20)),
        (
            "remark",
            "text",
            f"CASE WHEN g % 8 = 0 THEN '12\", ' || {_word(30)} ELSE {_phrase(31, 2)} END",
        ),
        ("city", "text", f"CASE WHEN g % 9 = 0 THEN 'Zürich' ELSE {_word(40)} END"),
        ("owner", "text", f"CASE WHEN g % 7 = 0 THEN NULL ELSE {_phrase(50, 1)} END"),
    ),
    per_item=0.8,
)
CODECLESS = Shape(
    "codecless",
    "bigint, enum, inet, int[], domain and interval",
    (
        ("id", "bigint", "g"),
        ("state", "bench_state", f"(ARRAY['new', 'open', 'closed'])[1 + ({_random(1, 3)})::int]"),
        ("address", "inet", f"'10.0.0.0'::inet + {_random(2, 1 << 24)}"),
        ("parts", "int[]", f"ARRAY[{_random(3, 1000)}, {_random(4, 1000)}, g]"),
        ("amount", "bench_amount", f"({_random(5, 10**6)}) / 100.0"),
        ("lasted", "interval", f"({_random(6, 10**6)}) * interval '1 second'"),
    ),
    per_item=0.1,
    before=(
        "DROP TYPE IF EXISTS bench_state; CREATE TYPE bench_state AS ENUM ('new', 'open', 'closed');"
        " DROP DOMAIN IF EXISTS bench_amount; CREATE DOMAIN bench_amount AS numeric(12,2) CHECK (VALUE >= 0)"
    ),
)
NOTES = Shape(
    "notes",
    "bigint, date and two texts, one in ten with a line end",
    (
        ("id", "bigint", "g"),
        ("day", "date", f"'2026-01-01'::date + ({_random(1, 300)})::int"),
        ("title", "text", _phrase(10, 2)),
        (
            "note",
            "text",
            f"{_phrase(20, 3)} || CASE WHEN g % 10 = 0 THEN E'\\n' ELSE ' ' END || {_word(30)}",
        ),
    ),
    per_item=0.8,
)
SHAPES = (NARROW, WIDE, TEXT, NOTES, CODECLESS)
