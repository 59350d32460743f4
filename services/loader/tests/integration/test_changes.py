"""Replaces and upserts write only what differs; what they leave is what writing all of it would have left."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2.errors import DiskFull
from psycopg2.extensions import connection as Connection

from libs.common.datasets.definition import DatasetDefinition
from services.loader.chunk_loader import Outcome
from services.loader.savepoint import SavepointCursor
from services.loader.tests.integration.conftest import LoadBench

ROWS = 2000
PATIENCE = 60
KEYED = "CREATE TABLE feed.t (id int PRIMARY KEY, v text NOT NULL, n numeric(9, 2) CHECK (n >= 0))"
NAMES = ("rows_inserted", "rows_updated", "rows_deleted", "rows_unchanged")
UPSERT = {"mode": "upsert", "key": ["id"]}


def dataset(**changes: Any) -> DatasetDefinition:
    """Return a dataset that replaces feed.t."""
    return DatasetDefinition.model_validate({"table": "feed.t", "mode": "replace", **changes})


def file_of(rows: dict[int, str]) -> bytes:
    """Return a file of rows by their id."""
    return b"id,v,n\n" + "".join(f"{i},{v},{i}.50\n" for i, v in rows.items()).encode()


def snapshot(count: int = ROWS) -> dict[int, str]:
    """Return the rows of the day before."""
    return {i: f"word {i}" for i in range(1, count + 1)}


def changes_of(chunk: dict[str, Any]) -> tuple[int | None, ...]:
    """Return the rows that a chunk has inserted, updated, deleted and left."""
    assert (chunk["state"], chunk["error_message"]) == ("done", None)
    return tuple(chunk[name] for name in NAMES)


def places(bench: LoadBench) -> dict[int, str]:
    """Return where each row is stored."""
    return dict(bench.execute("SELECT id, ctid::text FROM feed.t"))


def moved(before: dict[int, str], after: dict[int, str]) -> set[int]:
    """Return the rows that are stored elsewhere than before, of those that were there."""
    return {i for i in before.keys() & after.keys() if before[i] != after[i]}


def sizes(bench: LoadBench) -> tuple[int, int]:
    """Return the bytes of the table and of its indexes."""
    [(table, indexes)] = bench.execute(
        "SELECT pg_relation_size('feed.t'), pg_indexes_size('feed.t')"
    )
    return table, indexes


def staged(bench: LoadBench) -> list[tuple[Any, ...]]:
    """Return what is left in the schema of loads under way."""
    return bench.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'adsp_staging'::regnamespace"
    )


@pytest.mark.parametrize(
    "ddl",
    [
        "ALTER TABLE feed.t REPLICA IDENTITY NOTHING; CREATE PUBLICATION sent FOR TABLE feed.t",
        "CREATE PUBLICATION sent FOR TABLE feed.t (v)",
        "CREATE PUBLICATION sent FOR TABLE feed.t WHERE (v <> '')",
    ],
)
def test_a_replace_goes_on_where_a_publication_of_updates_alone_refuses_them(
    bench: LoadBench, ddl: str
) -> None:
    bench.execute(KEYED)
    bench.load(file_of(snapshot()), dataset())
    bench.execute(f"{ddl} WITH (publish = 'insert, update')")

    try:
        job = bench.load(file_of(snapshot() | {7: "another"}), dataset())
    finally:
        bench.execute("DROP PUBLICATION sent")

    assert changes_of(bench.chunk(job)) == (None, None, None, None)
    assert dict(bench.execute("SELECT id, v FROM feed.t")) == snapshot() | {7: "another"}


@pytest.mark.parametrize("options", [{}, UPSERT], ids=["replace", "upsert"])
def test_only_rows_that_differ_are_written_and_all_are_counted(
    bench: LoadBench, options: dict[str, Any]
) -> None:
    bench.execute(KEYED)
    bench.load(file_of(snapshot()), dataset())
    before = places(bench)
    tomorrow = snapshot() | {7: "another", 8: "another"} | {ROWS + 1: "new"}
    del tomorrow[5], tomorrow[6], tomorrow[9]

    chunk = bench.chunk(bench.load(file_of(tomorrow), dataset(**options), comparison_rows=0))

    gone = 0 if options else 3
    assert changes_of(chunk) == (1, 2, gone, ROWS - 5)
    assert chunk["rows_loaded"] == ROWS - 2
    assert (chunk["load_path"], chunk["load_path_reason"]) == ("blocks", None)
    kept = {i: v for i, v in snapshot().items() if options and i in {5, 6, 9}}
    assert dict(bench.execute("SELECT id, v FROM feed.t")) == tomorrow | kept
    assert moved(before, places(bench)) == {7, 8}
    assert staged(bench) == []


@pytest.mark.parametrize("options", [{}, UPSERT], ids=["replace", "upsert"])
def test_a_table_of_which_one_in_a_hundred_rows_changes_does_not_grow(
    bench: LoadBench, options: dict[str, Any]
) -> None:
    bench.execute(KEYED)
    bench.load(file_of(snapshot(20_000)), dataset())
    before = sizes(bench)
    tomorrow = {i: v if i % 100 else "another" for i, v in snapshot(20_000).items()}

    chunk = bench.chunk(bench.load(file_of(tomorrow), dataset(**options), comparison_rows=0))

    assert changes_of(chunk) == (0, 200, 0, 19_800)
    assert all(new <= 1.05 * old for new, old in zip(sizes(bench), before, strict=True))


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("numeric", "1.0", "1.00"),
        ("float8", "0", "-0"),
        ("json", '{"a":1}', '{"a": 1}'),
        ("interval", "1 day", "24 hours"),
        ("char(4)", "a", "b"),
        ("varchar(4)", "a", "a "),
        ("text[]", "{a}", "{b}"),
        ("text", "a", ""),
    ],
)
@pytest.mark.parametrize("options", [{}, UPSERT], ids=["replace", "upsert"])
def test_what_a_column_stores_is_compared_not_what_it_equals(
    bench: LoadBench, kind: str, old: str, new: str, options: dict[str, Any]
) -> None:
    bench.execute(f"CREATE TABLE feed.t (id int PRIMARY KEY, v {kind})")
    bench.load(_quoted(old, old), dataset())
    bench.execute("ANALYZE feed.t")

    chunk = bench.chunk(bench.load(_quoted(old, new), dataset(**options), comparison_rows=0))

    stored = dict(bench.execute("SELECT id, v::text FROM feed.t"))
    bench.execute("TRUNCATE feed.t")
    bench.load(_quoted(old, new), dataset())
    assert stored == dict(bench.execute("SELECT id, v::text FROM feed.t"))
    if not options or chunk["load_path"] == "blocks":
        assert changes_of(chunk) == (0, 1, 0, 1)


def _quoted(*values: str) -> bytes:
    cells = ['"' + value.replace('"', '""') + '"' for value in values]
    return b"id,v\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)).encode()


FILLED = (
    "CREATE TABLE feed.t (number bigserial PRIMARY KEY, id int UNIQUE, v text, n numeric(9, 2),"
    " seen timestamptz DEFAULT now(), note text DEFAULT 'none')"
)


@pytest.mark.parametrize("again", [b"", b"1,again,1.00\n"], ids=["once", "a key twice"])
def test_columns_that_the_file_lacks_keep_their_values_in_rows_that_stay(
    bench: LoadBench, again: bytes
) -> None:
    """Whatever the file holds: with a key twice the load starts over."""
    bench.execute(FILLED)
    bench.load(file_of({1: "a", 2: "b", 3: "c"}), dataset())
    bench.execute("UPDATE feed.t SET note = 'by hand'")
    seen = "SELECT id, number, seen::text FROM feed.t WHERE id < 3 ORDER BY id"
    before = bench.execute(seen)

    chunk = bench.chunk(bench.load(file_of({1: "a", 2: "x", 4: "d"}) + again, dataset()))

    assert changes_of(chunk) == (1, 1, 1, 1)
    assert chunk["rows_rejected"] == bool(again)
    assert bench.execute(seen) == before
    assert bench.execute("SELECT id, v, note FROM feed.t ORDER BY id") == [
        (1, "a", "by hand"),
        (2, "x", "by hand"),
        (4, "d", "none"),
    ]


def test_columns_that_the_last_load_had_take_their_defaults(bench: LoadBench) -> None:
    """What `missing_columns` promises: the values of the day before are not taken for today's."""
    bench.execute("CREATE TABLE feed.t (id int PRIMARY KEY, v text, n numeric DEFAULT 7)")
    bench.load(file_of({1: "a", 2: "b"}), dataset())
    job_id = bench.add_job(b"id,v\n1,a\n2,c\n", dataset(missing_columns="default"))
    bench.execute(
        "UPDATE adsp.jobs SET warnings = %s WHERE id = %s",
        '[{"code": "header-changed", "message": "", "counts": {}}]',
        str(job_id),
    )

    with closing(bench.loader()) as loader:
        loader.load_chunk(job_id, 0)

    assert "take their defaults" in bench.chunk(job_id)["load_path_reason"]
    assert bench.execute("SELECT * FROM feed.t ORDER BY id") == [(1, "a", 7), (2, "c", 7)]


LOGGED = """
    CREATE TABLE feed.seen (what text, id int);
    CREATE FUNCTION feed.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN INSERT INTO feed.seen VALUES (TG_OP, OLD.id); RETURN OLD; END IF;
        INSERT INTO feed.seen VALUES (TG_OP, NEW.id);
        IF NEW.v = 'no' THEN RAISE EXCEPTION 'no'; END IF;
        RETURN NEW; END $$;
    CREATE TRIGGER g AFTER INSERT OR UPDATE OR DELETE ON feed.t FOR EACH ROW EXECUTE FUNCTION feed.f();
    GRANT INSERT ON feed.seen TO adsp_loader
"""


def test_triggers_see_rows_that_differ_alone_unless_all_are_to_be_written(bench: LoadBench) -> None:
    bench.execute(f"{KEYED}; {LOGGED}")
    bench.load(file_of({1: "A", 2: "B", 3: "C"}), dataset())
    bench.execute("TRUNCATE feed.seen")

    changed = bench.chunk(bench.load(file_of({1: "A", 2: "x", 4: "d"}), dataset()))
    seen = bench.execute("SELECT * FROM feed.seen ORDER BY 1, 2")
    everything = bench.chunk(bench.load(file_of({1: "A", 2: "X"}), dataset(write="all")))

    assert changes_of(changed) == (1, 1, 1, 1)
    assert seen == [("DELETE", 2), ("DELETE", 3), ("INSERT", 2), ("INSERT", 4)]
    assert changes_of(everything) == (None, None, None, None)
    assert "'write': 'all'" in everything["load_path_reason"]
    assert bench.execute("SELECT count(*) FROM feed.seen") == [(4 + 3 + 2,)]
    assert bench.execute("SELECT id, v FROM feed.t ORDER BY 1") == [(1, "A"), (2, "X")]


def test_a_row_that_a_trigger_refuses_is_a_failed_row(bench: LoadBench) -> None:
    bench.execute(f"{KEYED}; {LOGGED}")
    bench.load(file_of({1: "A", 2: "B"}), dataset())

    job_id = bench.load(file_of({1: "A", 2: "no", 3: "C"}), dataset())

    assert [code for _, _, _, code, *_ in bench.failed_rows(job_id)] == ["other"]
    assert "refused rows that differ" in bench.chunk(job_id)["load_path_reason"]
    assert bench.execute("SELECT id, v FROM feed.t ORDER BY 1") == [(1, "A"), (3, "C")]


NOT_VALIDATED = f"""
    {KEYED}; CREATE TABLE feed.p (v text PRIMARY KEY); INSERT INTO feed.p VALUES ('a'), ('b');
    ALTER TABLE feed.t ADD FOREIGN KEY (v) REFERENCES feed.p NOT VALID
"""
PARTITIONED = """
    CREATE TABLE feed.t (id int PRIMARY KEY, v text, n numeric) PARTITION BY RANGE (id);
    CREATE TABLE feed.part PARTITION OF feed.t DEFAULT
"""


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("CREATE TABLE feed.t (id int, v text, n numeric)", "no unique index"),
        ("CREATE TABLE feed.t (k bigserial PRIMARY KEY, id int, v text, n numeric)", "no unique"),
        (f"{KEYED}; CREATE TABLE feed.other (id int REFERENCES feed.t)", "refer to its rows"),
        (f"{KEYED}; ALTER TABLE feed.t ADD EXCLUDE (v WITH =)", "an exclusion constraint"),
        (f"{KEYED}; ALTER TABLE feed.t ADD UNIQUE (v) DEFERRABLE", "deferrable"),
        (f"{KEYED}; REVOKE UPDATE ON feed.t FROM adsp_loader", "the loader lacks UPDATE"),
        (NOT_VALIDATED, "not been validated"),
        (f"{FILLED}; ALTER TABLE feed.t ADD UNIQUE (v)", "note), and a second unique index"),
        (f"{FILLED}; ALTER TABLE feed.t ADD CHECK (note <> v)", "a check"),
        (PARTITIONED, "partitioned"),
        (f"{KEYED}; {LOGGED.replace('AFTER', 'BEFORE')}", "a trigger before an insert"),
    ],
)
def test_why_all_rows_were_written_is_on_record(bench: LoadBench, table: str, reason: str) -> None:
    bench.execute(table)
    bench.load(file_of({1: "a"}), dataset())

    chunk = bench.chunk(bench.load(file_of({1: "a", 2: "b"}), dataset()))

    assert changes_of(chunk) == (None, None, None, None)
    assert reason in chunk["load_path_reason"]
    assert bench.execute("SELECT id, v FROM feed.t ORDER BY 1") == [(1, "a"), (2, "b")]


def test_an_empty_table_is_loaded_at_once(bench: LoadBench) -> None:
    bench.execute(KEYED)

    chunk = bench.chunk(bench.load(file_of(snapshot()), dataset()))

    assert changes_of(chunk) == (None, None, None, None)
    assert chunk["load_path_reason"] is None


def test_a_delivery_of_which_most_rows_differ_is_written_as_a_whole(bench: LoadBench) -> None:
    """What its first blocks are like says so, or the comparison."""
    bench.execute(KEYED)
    bench.load(file_of(snapshot(6000)), dataset())
    other = {i: f"other {i}" for i in snapshot(6000)}

    early = bench.chunk(bench.load(file_of(other), dataset(), block_bytes=20_000))
    late = bench.chunk(bench.load(file_of(snapshot(6000)), dataset()))

    assert "most of the first rows differ" in early["load_path_reason"]
    assert changes_of(late) == (0, 6000, 0, 0)
    assert dict(bench.execute("SELECT id, v FROM feed.t")) == snapshot(6000)


def test_a_slice_is_compared_with_its_own_rows(bench: LoadBench) -> None:
    bench.execute("CREATE TABLE feed.t (day date, id int, v text, PRIMARY KEY (day, id))")
    bench.execute(
        "INSERT INTO feed.t SELECT day, i, 'a' FROM generate_series(1, 3) AS i,"
        " unnest('{2026-01-01, 2026-01-02}'::date[]) AS day"
    )
    data = b"day,id,v\n2026-01-02,1,a\n2026-01-02,2,b\n2026-01-02,4,a\n2026-01-01,1,x\n"

    job_id = bench.load(data, dataset(scope={"day": "data_date"}))

    assert changes_of(bench.chunk(job_id)) == (1, 1, 1, 1)
    assert bench.chunk(job_id)["rows_rejected"] == 1
    rows = "SELECT extract(day FROM day)::int, id, v FROM feed.t ORDER BY 1, 2"
    first = [(1, 1, "a"), (1, 2, "a"), (1, 3, "a")]
    assert bench.execute(rows) == [*first, (2, 1, "a"), (2, 2, "b"), (2, 4, "a")]


def test_what_a_guard_refuses_leaves_nothing_behind(bench: LoadBench) -> None:
    bench.execute(KEYED)
    bench.load(file_of({1: "a"}), dataset())

    job_id = bench.load(file_of({1: "a", 2: "b"}), dataset(min_rows=3))

    assert bench.chunk(job_id)["error_code"] == "too-few-rows"
    assert bench.execute("SELECT id FROM feed.t") == [(1,)]
    assert staged(bench) == []


def test_an_upsert_takes_the_last_record_of_a_key(bench: LoadBench) -> None:
    """Also where the earlier or the later one is what the table holds."""
    bench.execute(KEYED)
    bench.load(file_of({1: "a", 2: "b", 3: "c"}), dataset())
    bench.execute("ANALYZE feed.t")
    again = b"1,x,1.50\n1,a,1.50\n2,b,2.50\n2,y,2.50\n3,c,3.50\n3,c,3.50\n4,n,4.50\n4,m,4.50\n"

    chunk = bench.chunk(bench.load(b"id,v,n\n" + again, dataset(**UPSERT), comparison_rows=0))

    assert (chunk["rows_loaded"], chunk["rows_superseded"]) == (4, 4)
    rows = "SELECT id, v FROM feed.t ORDER BY 1"
    assert bench.execute(rows) == [(1, "a"), (2, "y"), (3, "c"), (4, "m")]
    assert staged(bench) == []


@contextmanager
def reader(bench: LoadBench) -> Iterator[Connection]:
    """Give a connection whose transaction has read the table."""
    with closing(psycopg2.connect(bench.database.superuser_dsn)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM feed.t")
        yield connection


@pytest.mark.parametrize("options", [{}, UPSERT], ids=["replace", "upsert"])
def test_neither_waits_for_readers_nor_lets_them_wait(
    bench: LoadBench, options: dict[str, Any]
) -> None:
    bench.execute(KEYED)
    bench.load(file_of(snapshot()), dataset())
    slow = "SELECT count(*) FROM feed.t"
    with reader(bench) as connection:
        job_id = bench.add_job(file_of(snapshot() | {1: "x"}), dataset(**options))
        with ThreadPoolExecutor(1) as pool, closing(bench.loader(comparison_rows=0)) as loader:
            load = pool.submit(loader.load_chunk, job_id, 0)
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '1ms'")
                while not load.done():
                    cursor.execute(slow)
                seen = cursor.fetchall()

        assert load.result(PATIENCE) is Outcome.LOADED
        assert seen == [(ROWS,)]


def test_tables_of_one_name_are_replaced_at_the_same_time(bench: LoadBench) -> None:
    """Their stand-ins have that name too, in one schema: the second waits for the first."""
    bench.execute(f"{KEYED}; CREATE SCHEMA IF NOT EXISTS other; DROP TABLE IF EXISTS other.t")
    bench.execute(
        "CREATE TABLE other.t (LIKE feed.t INCLUDING ALL); GRANT USAGE ON SCHEMA other TO adsp_loader;"
        " GRANT ALL ON other.t TO adsp_loader"
    )
    tables = ("feed.t", "other.t")
    for table in tables:
        bench.load(file_of(snapshot()), dataset(table=table))
    data = file_of(snapshot() | {1: "x"} | {ROWS + 1: "y"}) + b"1,again,1.00\n"
    jobs = [bench.add_job(data, dataset(table=table)) for table in tables * 2]
    barrier = threading.Barrier(len(tables))

    def load(own: list[Any]) -> list[Outcome]:
        barrier.wait(PATIENCE)
        with closing(bench.loader()) as loader:
            return [loader.load_chunk(job, 0) for job in own]

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(load, [jobs[::2], jobs[1::2]]))

    assert done == [[Outcome.LOADED] * 2] * 2
    assert [changes_of(bench.chunk(job)) for job in jobs] == [(1, 1, 0, ROWS - 1)] * 2 + [
        (0, 0, 0, ROWS + 1)
    ] * 2
    assert staged(bench) == []
    bench.execute("DROP SCHEMA other CASCADE")


class _ShortOfMemory(SavepointCursor):
    """A cursor of a server that has no shared memory for processes in parallel."""

    failures = 0

    def execute(self, query: Any, parameters: Any = None) -> None:
        """Fail as the server does where a hash is shared."""
        text = query if isinstance(query, str) else query.as_string(self)
        if "FULL JOIN" in text:
            super().execute("SELECT current_setting('max_parallel_workers_per_gather')")
            [(workers,)] = self.fetchall()
            if workers != "0":
                type(self).failures += 1
                raise DiskFull("could not resize shared memory segment")
        super().execute(query, parameters)


def test_a_server_without_shared_memory_compares_with_one_process(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.execute(KEYED)
    bench.load(file_of(snapshot()), dataset())
    monkeypatch.setattr("services.loader.load.SavepointCursor", _ShortOfMemory)

    chunk = bench.chunk(bench.load(file_of(snapshot() | {1: "x"}), dataset()))

    assert _ShortOfMemory.failures == 1
    assert changes_of(chunk) == (0, 1, 0, ROWS - 1)
