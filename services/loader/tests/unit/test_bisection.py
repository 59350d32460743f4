"""Bisection finds every bad record, keeps the order, and its cost does not grow with the square."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.csv.records import Record
from libs.common.enums import ErrorCode
from services.loader.rejects.rejection import Rejection
from services.loader.rows.bisection import BisectingWriter
from services.loader.rows.one_by_one import OneByOneWriter
from services.loader.rows.row_writer import RowWriter
from services.loader.rows.single_insert import Inserted
from services.loader.savepoint import Savepoint

BAD = Rejection(ErrorCode.TYPE_ERROR, "bad", sqlstate="22P02")


class Refused(psycopg2.DataError):
    """An error of Postgres about a row, with or without the line it happened on."""

    pgcode = "22P02"

    def __init__(self, context: str) -> None:
        super().__init__()
        self._context = context

    @property
    def diag(self) -> SimpleNamespace:  # type: ignore[override]
        return SimpleNamespace(context=self._context)


class Table:
    """Stands for Postgres: refuses records marked bad, writer and single insert in one."""

    rows_superseded = 0

    def __init__(self, *, with_hints: bool) -> None:
        self.written: list[int] = []
        self.sent = self.kept = 0
        self._with_hints = with_hints

    def batch_limit(self, records: Sequence[Record]) -> int:
        return len(records)

    def write_many(self, records: Sequence[Record]) -> int:
        self.sent += len(records)
        bad = [place for place, record in enumerate(records, 1) if record.raw == b"bad"]
        if bad:
            raise Refused(f"COPY t, line {bad[0]}, column c" if self._with_hints else "")
        self.written += [record.line_number for record in records]
        return len(records)

    def insert(self, record: Record) -> Rejection | None:
        return self.insert_each([record]).rejection

    def insert_each(self, records: Sequence[Record]) -> Inserted:
        for place, record in enumerate(records):
            self.sent += 1
            if record.raw == b"bad":
                return Inserted(place, BAD, is_undone=True)
        self.written += [record.line_number for record in records]
        self.kept += 1
        return Inserted(len(records), None, is_undone=False)


def records_of(marks: Sequence[bool]) -> list[Record]:
    """Make a record for each mark; true means bad."""
    return [Record(n, n, b"bad" if bad else b"good", []) for n, bad in enumerate(marks)]


def narrow(marks: Sequence[bool], table: Table, *, one_by_one: bool = False) -> list[int]:
    """Load records and return the lines of those refused."""
    writer: RowWriter = OneByOneWriter(table, 250)  # type: ignore[arg-type]
    if not one_by_one:
        writer = BisectingWriter(
            table,  # type: ignore[arg-type]
            table,  # type: ignore[arg-type]
            Savepoint(SimpleNamespace()),  # type: ignore[arg-type]
            64,
        )
    steps: list[int] = []
    refused = writer.load(records_of(marks), lambda position, _: steps.append(position))
    assert steps == sorted(set(steps))
    assert not marks or steps[-1] == len(marks)
    return [record.line_number for record, _ in refused]


@given(
    marks=st.lists(st.booleans(), max_size=300), with_hints=st.booleans(), one_by_one=st.booleans()
)
def test_the_bad_are_refused_and_the_good_written_in_order(
    marks: list[bool], *, with_hints: bool, one_by_one: bool
) -> None:
    table = Table(with_hints=with_hints)

    refused = narrow(marks, table, one_by_one=one_by_one)

    assert refused == [n for n, bad in enumerate(marks) if bad]
    assert table.written == [n for n, bad in enumerate(marks) if not bad]


@pytest.mark.parametrize("with_hints", [True, False])
@pytest.mark.parametrize("every", [1, 2, 5, 20, 100])
def test_the_cost_is_a_small_multiple_of_the_records(every: int, *, with_hints: bool) -> None:
    table = Table(with_hints=with_hints)

    narrow([n % every == 0 for n in range(10_000)], table)

    assert table.sent < 60_000


@pytest.mark.parametrize("every", [1, 2, 5, 10, 20, 100, 1000])
def test_one_by_one_few_are_written_twice_and_share_savepoints(every: int) -> None:
    table = Table(with_hints=False)

    narrow([n % every == every - 1 for n in range(10_000)], table, one_by_one=True)

    assert table.sent < 10_000 * (1 + 1.5 / every**0.5)
    assert table.kept < 10_000 * 2 / every**0.5


def test_one_by_one_the_records_are_not_copied_at_each_step() -> None:
    class Counted(list[Record]):
        copied = 0

        def __getitem__(self, place: Any) -> Any:
            found = super().__getitem__(place)
            Counted.copied += len(found)
            return found

    writer = OneByOneWriter(Table(with_hints=False), 250)  # type: ignore[arg-type]
    writer.load(Counted(records_of([False] * 2000)), lambda *_: None)

    assert Counted.copied == 2000


def test_what_is_refused_otherwise_the_second_time_is_judged_anew() -> None:
    """Others write meanwhile: 2 is refused, but 1 is when it is written again."""

    class Fickle(Table):
        def insert_each(self, records: Sequence[Record]) -> Inserted:
            bad = {1: 2, 2: 1}.get(self.sent)
            self.sent += 1
            lines = [record.line_number for record in records]
            if bad in lines:
                return Inserted(lines.index(bad), BAD, is_undone=True)
            self.written += lines
            return Inserted(len(lines), None, is_undone=False)

    table = Fickle(with_hints=False)
    writer = OneByOneWriter(table, 250)  # type: ignore[arg-type]

    refused = writer.load(records_of([False] * 4), lambda *_: None)

    assert [record.line_number for record, _ in refused] == [1]
    assert table.written == [0, 2, 3]
