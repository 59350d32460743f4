"""Make sample files of items: any number of rows, a chosen share of bad ones, the same for a seed.

Used for the sample in ``infra/sample``, the big-file tests and the benchmarks:
``python -m tools.generate --rows 1000000 --bad 0.01 --seed 7 items.csv``.
"""

import argparse
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

HEADER = "sku,name,category,price,quantity,updated_at\n"
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
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
LINES_PER_WRITE = 10_000


def good_line(number: int, rng: random.Random) -> str:
    """Return the line of item `number`; about one in eight has a quoted name."""
    name = f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}"
    if rng.random() < 0.125:
        name = f'"{name}, ""{rng.choice(ADJECTIVES)}"""'
    price = f"{rng.randrange(1, 100_000) / 100:.2f}"
    moment = EPOCH + timedelta(seconds=rng.randrange(86_400 * 300))
    return (
        f"SKU-{number:09d},{name},{rng.choice(CATEGORIES)},{price},"
        f"{rng.randrange(1_000)},{moment:%Y-%m-%d %H:%M:%S}+00\n"
    )


def bad_line(number: int, rng: random.Random) -> str:
    """Return a line that Postgres or the CSV rules refuse, of one of five kinds."""
    sku, name, category, price, quantity, moment = (
        f"SKU-{number:09d}",
        "lamp",
        "tools",
        "9.99",
        "3",
        EPOCH,
    )
    kind = rng.randrange(5)
    if kind == 0:
        quantity = "many"
    elif kind == 1:
        quantity = "3000000000"
    elif kind == 2:
        return f"{sku},{name},{category},{price},{quantity},2026-02-30 00:00:00+00\n"
    elif kind == 3:
        price = "-1.00"
    else:
        return f"{sku},{name},{category},{price}\n"
    return f"{sku},{name},{category},{price},{quantity},{moment:%Y-%m-%d %H:%M:%S}+00\n"


def lines(rows: int, bad_ratio: float, seed: int, first: int = 1) -> Iterator[str]:
    """Yield the header and `rows` lines; `first` is the number of the first item."""
    rng = random.Random(seed)  # noqa: S311  # the same file for the same seed
    yield HEADER
    for number in range(first, first + rows):
        yield bad_line(number, rng) if rng.random() < bad_ratio else good_line(number, rng)


def write_items(
    path: Path, rows: int, *, bad_ratio: float = 0.0, seed: int = 1, first: int = 1
) -> None:
    """Write a file of `rows` items in UTF-8."""
    with path.open("w", encoding="utf-8", newline="") as file:
        block: list[str] = []
        for line in lines(rows, bad_ratio, seed, first):
            block.append(line)
            if len(block) == LINES_PER_WRITE:
                file.write("".join(block))
                block.clear()
        file.write("".join(block))


def main() -> None:
    """Write a sample file as the command line asks."""
    parser = argparse.ArgumentParser(description="Make a CSV of sample items.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--bad", type=float, default=0.0, help="share of bad rows, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first item")
    arguments = parser.parse_args()
    write_items(
        arguments.path,
        arguments.rows,
        bad_ratio=arguments.bad,
        seed=arguments.seed,
        first=arguments.first,
    )


if __name__ == "__main__":
    main()
