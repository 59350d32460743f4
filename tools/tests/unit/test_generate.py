"""Test the generator of sample items."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from tools.client import sample_items
from tools.client.sample_items import BAD_KINDS, ItemsFile, new_items, write_items


def rows_of(path: Path) -> list[list[str]]:
    """Return a file's rows without its header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def kind_of(row: list[str]) -> str | None:
    """Return what is bad about a row."""
    found = {
        "ragged": len(row) == 4,
        "type": row[4:5] == ["many"],
        "range": row[4:5] == ["3000000000"],
        "date": row[-1].startswith("2026-02-30"),
        "check": row[3] == "-1.00",
    }
    kinds = [kind for kind, is_so in found.items() if is_so]
    assert len(kinds) <= 1
    return kinds[0] if kinds else None


def test_the_same_seed_makes_the_same_file_however_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_items(tmp_path / "one.csv", 1_000, bad_ratio=0.1, seed=4)
    monkeypatch.setattr(sample_items, "BLOCK_ROWS", 7)
    write_items(tmp_path / "two.csv", 1_000, bad_ratio=0.1, seed=4)
    write_items(tmp_path / "other.csv", 1_000, bad_ratio=0.1, seed=5)

    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert (tmp_path / "one.csv").read_bytes() != (tmp_path / "other.csv").read_bytes()


def test_bad_rows_are_counted_and_of_five_kinds_in_equal_shares(tmp_path: Path) -> None:
    bad = write_items(tmp_path / "items.csv", 10_000, bad_ratio=0.05)

    kinds = Counter(kind_of(row) for row in rows_of(tmp_path / "items.csv"))
    good = kinds.pop(None)
    assert (good, sum(kinds.values())) == (10_000 - bad, bad)
    assert 400 < bad < 600
    assert set(kinds) == set(BAD_KINDS)
    assert max(kinds.values()) - min(kinds.values()) <= 1


def test_a_row_is_as_wide_as_the_benchmarks_say(tmp_path: Path) -> None:
    write_items(tmp_path / "items.csv", 20_000)

    assert (tmp_path / "items.csv").stat().st_size / 20_000 == pytest.approx(77.4, abs=0.1)


def test_half_of_an_upsert_file_is_present_in_the_file_without_it(tmp_path: Path) -> None:
    ItemsFile(1_000).write(tmp_path / "base.csv")
    ItemsFile(1_000, seed=2, half_present=True).write(tmp_path / "upsert.csv")

    base, upsert = (
        [row[0] for row in rows_of(tmp_path / f"{name}.csv")] for name in ("base", "upsert")
    )
    assert len(set(upsert)) == 1_000
    assert len(set(base) & set(upsert)) == 500


def test_a_next_days_file_differs_a_little_from_the_one_before(tmp_path: Path) -> None:
    ItemsFile(10_000).write(tmp_path / "base.csv")
    ItemsFile(10_000, is_next_day=True).write(tmp_path / "next.csv")

    before, after = (
        {row[0]: row for row in rows_of(tmp_path / f"{name}.csv")} for name in ("base", "next")
    )
    same = before.keys() & after.keys()
    assert len(after.keys() - before.keys()) == len(before.keys() - after.keys()) == 50
    assert new_items(10_000) == 50
    assert sum(before[sku] != after[sku] for sku in same) == 100


def test_names_with_quotes_are_written_as_csv_has_them(tmp_path: Path) -> None:
    write_items(tmp_path / "items.csv", 2_000)

    rows = rows_of(tmp_path / "items.csv")
    assert {len(row) for row in rows} == {6}
    assert 150 < sum('"' in row[1] for row in rows) < 350
