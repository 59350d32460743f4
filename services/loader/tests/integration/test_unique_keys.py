"""Rows whose key is there already are found by a join, and are those that Postgres refuses one by one."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import pytest

from libs.common.csv.records import Record
from libs.common.datasets.definition import DatasetDefinition
from libs.devstack.testing.waiting import wait_for
from services.loader.blocks.broken import Broken
from services.loader.blocks.constraint_checks import Violations
from services.loader.blocks.constraint_messages import ConstraintMessages
from services.loader.blocks.key_lookup import KeyLookup
from services.loader.rejects.rejection import Rejection
from services.loader.rejects.texts import Messages, Texts
from services.loader.rows.single_insert import Inserted, SingleRowWriter
from services.loader.tests.integration.cases import Case
from services.loader.tests.integration.comparison import compare_case
from services.loader.tests.integration.conftest import LoadBench

TABLES = {
    "primary key": "CREATE TABLE feed.{t} (a int PRIMARY KEY, b text, v int CHECK (v >= 0))",
    "two columns": "CREATE TABLE feed.{t} (a int, b text, v int CHECK (v >= 0), PRIMARY KEY (b, a))",
    "nulls differ": "CREATE TABLE feed.{t} (a int, b text, v int CHECK (v >= 0), UNIQUE (a, b))",
    "nulls are equal": "CREATE TABLE feed.{t} (a int, b text, v int, UNIQUE NULLS NOT DISTINCT (a, b))",
    "another column included": "CREATE TABLE feed.{t} (a int, b text, v int, UNIQUE (a) INCLUDE (v))",
    "numeric": "CREATE TABLE feed.{t} (a numeric UNIQUE, b text, v int NOT NULL)",
    "char": "CREATE TABLE feed.{t} (a char(4) UNIQUE, b text, v int)",
    "no hash": "CREATE TABLE feed.{t} (a money UNIQUE, b text, v int)",
    "downwards": "CREATE TABLE feed.{t} (a int, b text, v int CHECK (v >= 0));"
    " CREATE UNIQUE INDEX ON feed.{t} (a DESC, b)",
    "float8": "CREATE TABLE feed.{t} (a float8 UNIQUE, b text, v int)",
    "another equality": "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;"
    " CREATE TABLE feed.{t} (a int, b public.citext UNIQUE, v int)",
    "an expression": "CREATE TABLE feed.{t} (a int, b text, v int);"
    " CREATE UNIQUE INDEX ON feed.{t} (lower(b))",
    "a part of the rows": "CREATE TABLE feed.{t} (a int, b text, v int);"
    " CREATE UNIQUE INDEX ON feed.{t} (a) WHERE v > 1",
    "deferred": "CREATE TABLE feed.{t} (a int UNIQUE DEFERRABLE INITIALLY DEFERRED, b text, v int)",
    "two keys": "CREATE TABLE feed.{t} (a int UNIQUE, b text UNIQUE, v int)",
    "a column with a default": "CREATE TABLE feed.{t} (a int UNIQUE, b text, v int, d int DEFAULT 7)",
    "a key that Postgres computes": "CREATE TABLE feed.{t}"
    " (a int, b text, v int, g int GENERATED ALWAYS AS (a / 2) STORED UNIQUE)",
    "a foreign key": "CREATE TABLE feed.{t} (a int UNIQUE, b text, v int REFERENCES feed.{t}_p); ",
}
_PARENT = "CREATE TABLE feed.{t}_p (v int PRIMARY KEY); INSERT INTO feed.{t}_p VALUES (0), (1); "


def _file(seed: int) -> bytes:
    """Return a file in which most keys come again, some rows break another constraint, some cells are NULL."""
    rng = Random(seed)
    lines = ["a,b,v"]
    for _ in range(200):
        a = rng.choice(["", "1", "7", *(str(n) for n in range(20, 40))])
        b = rng.choice(["", "x", "X", "y", *(f"k{n}" for n in range(20))])
        lines.append(f"{a},{b},{rng.choice([-1, 0, 1, 1, 2])}")
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize("block_bytes", [300, 1 << 20])
@pytest.mark.parametrize("mode", ["append", "replace", "chunks"])
@pytest.mark.parametrize("name", TABLES)
def test_what_is_refused_is_what_postgres_refuses(
    shared_bench: LoadBench, name: str, mode: str, block_bytes: int
) -> None:
    table = (_PARENT if "REFERENCES" in TABLES[name] else "") + TABLES[name]
    before = [
        f"INSERT INTO feed.{{t}} (a, b, v) VALUES ({n}, 'k{n - 20}', 1)" for n in (20, 25, 33)
    ]
    case = Case(name, _file(len(name)), table, key=None, rows_before=before)

    compare_case(shared_bench, case, mode, block_bytes=block_bytes)


def test_a_file_that_is_sent_again_is_refused_without_a_question_for_each_row(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million keys that are all there took hours."""
    judged: list[Record] = []
    worded: list[int] = []
    insert, word = SingleRowWriter.insert_each, ConstraintMessages.format

    def count(self: SingleRowWriter, records: Sequence[Record]) -> Inserted:
        judged.extend(records)
        return insert(self, records)

    def count_words(
        self: ConstraintMessages, constraint: int, values: Texts
    ) -> tuple[Rejection, Messages]:
        worded.append(len(values.begins))
        return word(self, constraint, values)

    monkeypatch.setattr(SingleRowWriter, "insert_each", count)
    monkeypatch.setattr(ConstraintMessages, "format", count_words)
    bench.execute("CREATE TABLE feed.t (id int PRIMARY KEY, v text)")
    definition = DatasetDefinition(table="feed.t")
    first = b"id,v\n" + b"".join(b"%d,a\n" % n for n in range(20_000))
    bench.load(first, definition)

    again = bench.load(first.replace(b",a", b",b"), definition, block_bytes=64 << 10)

    chunk = bench.chunk(again)
    assert (chunk["rows_loaded"], chunk["rows_rejected"]) == (0, 20_000)
    assert len(judged) <= 2
    assert sum(worded) == 20_000
    assert len(worded) <= 5  # one for each block
    assert bench.execute("SELECT count(*), min(v), max(v) FROM feed.t") == [(20_000, "a", "a")]


@pytest.mark.parametrize(("check", "asked"), [("id >= 0", "keys"), ("id % 1 = 0", "rows")])
def test_only_keys_are_asked_where_no_other_constraint_can_refuse_a_row(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch, check: str, asked: str
) -> None:
    """A check that is not understood here may refuse any row, so that all of its columns are asked."""
    questions: list[str] = []
    for kind, name in ((KeyLookup, "keys"), (Violations, "rows")):
        find = kind.find

        def ask(
            self: Any, *given: Any, find: Any = find, name: str = name, **named: Any
        ) -> list[Broken]:
            questions.append(name)
            return list(find(self, *given, **named))

        monkeypatch.setattr(kind, "find", ask)
    bench.execute(f"CREATE TABLE feed.t (v text, id int PRIMARY KEY CHECK ({check}))")
    definition = DatasetDefinition(table="feed.t")
    bench.load(b"id,v\n" + b"".join(b"%d,a\n" % n for n in range(100)), definition)

    again = bench.load(b"v,id\n" + b"".join(b"b,%d\n" % n for n in range(200)), definition)

    assert set(questions) == {asked}
    assert [(line, raw, message) for line, _, raw, *_, message in bench.failed_rows(again)] == [
        (
            n + 2,
            b"b,%d" % n,
            f'duplicate key value violates unique constraint "t_pkey": Key (id)=({n}) already exists.',
        )
        for n in range(100)
    ]


def test_a_question_that_breaks_is_asked_again_of_the_next_block(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had made is undone with it."""
    read, broken, answered = KeyLookup._read, list[str](), list[str]()

    def break_once(self: Any, question: str) -> Broken:
        if not broken:
            broken.append(question)
            self._cursor.execute("SELECT 1 / 0")
        answered.append(question)
        return read(self, question)

    monkeypatch.setattr(KeyLookup, "_read", break_once)
    bench.execute("CREATE TABLE feed.t (id int PRIMARY KEY, v text)")
    definition = DatasetDefinition(table="feed.t")
    file = b"id,v\n" + b"".join(b"%d,a\n" % n for n in range(2_000))
    bench.load(file, definition)

    again = bench.load(file, definition, block_bytes=4 << 10)

    assert bench.chunk(again)["rows_rejected"] == 2_000
    assert broken
    assert answered


SCANS = "SELECT {} FROM pg_stat_user_tables WHERE relid = 'feed.t'::regclass"


def _number_of_scans(bench: LoadBench, keys: Iterable[int], block_bytes: int = 64 << 10) -> int:
    """Load keys 0, 10, 20, … and then these, of which at least one is there; return how often the index was asked."""
    bench.execute("CREATE TABLE feed.t (id int PRIMARY KEY, v text)")
    definition = DatasetDefinition(table="feed.t")
    bench.load(b"id,v\n" + b"".join(b"%d,a\n" % n for n in range(0, 200_000, 10)), definition)
    bench.execute("VACUUM ANALYZE feed.t")

    again = bench.load(
        b"id,v\n" + b"".join(b"%d,b\n" % n for n in keys), definition, block_bytes=block_bytes
    )

    # A session tells what it did when it ends.
    wait_for(lambda: bench.execute(SCANS.format("idx_scan > 0")) == [(True,)], 10, "lookups")
    assert bench.execute(SCANS.format("seq_tup_read")) == [(0,)]
    assert bench.execute("SELECT count(*) FROM feed.t WHERE v = 'a'") == [(20_000,)]
    [(scans,)] = bench.execute(SCANS.format("idx_scan"))
    assert bench.chunk(again)["rows_rejected"] == len([n for n in keys if n % 10 == 0])
    return int(scans)


def test_keys_that_stand_together_in_the_index_are_read_in_one_go(bench: LoadBench) -> None:
    """A lookup of each of a million keys took a second of the four."""
    assert _number_of_scans(bench, range(0, 200_000, 10)) < 20


def test_keys_that_stand_far_apart_are_looked_up(bench: LoadBench) -> None:
    """To read what stands between them, up to the whole table, would take longer; one block shows it."""
    keys = [n * 7919 * 10 % 200_000 for n in range(20_000)]

    assert 19_000 < _number_of_scans(bench, keys, block_bytes=16 << 10) < 20_010


def test_what_is_not_found_in_one_go_is_looked_up(bench: LoadBench) -> None:
    """Two thirds of the keys are new, and the last of the block stands behind all that is read."""
    keys = [*range(0, 3_000, 3), 199_990]

    assert 600 < _number_of_scans(bench, keys, block_bytes=1 << 20) < 1_010
