"""A replace exchanges the rows and nothing else: readers see the old or the new ones, the table stays what it is.

None of this depends on how it is done.
"""

import gzip
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from libs.common.datasets.definition import DatasetDefinition
from libs.devstack.binaries import client_program
from services.loader.chunk_loader import Outcome
from services.loader.tests.integration.conftest import LoadBench

PATIENCE = 60
OLD, NEW = 700, 900
TABLE = (
    "CREATE TABLE feed.t (id int PRIMARY KEY, v text NOT NULL CHECK (v <> 'bad'));"
    f" INSERT INTO feed.t SELECT i, 'old' FROM generate_series(1, {OLD}) AS i"
)
ADORNED = f"""
    CREATE TABLE feed.t (
        id int CONSTRAINT first_key PRIMARY KEY, v text DEFAULT 'none' CHECK (v <> 'bad'), w numeric(8,2),
        made int GENERATED ALWAYS AS (id + 1) STORED, number bigint GENERATED ALWAYS AS IDENTITY,
        parent int, CONSTRAINT odd CHECK (w IS NULL OR w >= 0) NOT VALID, UNIQUE (v, id)
    ) WITH (fillfactor = 70);
    CREATE TABLE feed.parent (id int PRIMARY KEY); INSERT INTO feed.parent VALUES (1);
    ALTER TABLE feed.t ADD FOREIGN KEY (parent) REFERENCES feed.parent;
    CREATE INDEX by_v ON feed.t (lower(v)) WHERE id > 3;
    CREATE INDEX by_w ON feed.t USING brin (w);
    ALTER TABLE feed.t CLUSTER ON first_key;
    ALTER TABLE feed.t ALTER v SET STATISTICS 77, ALTER v SET STORAGE EXTERNAL;
    ALTER TABLE feed.t ALTER w SET (n_distinct = -0.5);
    ALTER TABLE feed.t REPLICA IDENTITY FULL;
    CREATE STATISTICS feed.s (dependencies) ON v, w FROM feed.t;
    COMMENT ON TABLE feed.t IS 'of the shop'; COMMENT ON COLUMN feed.t.v IS 'a word';
    COMMENT ON CONSTRAINT odd ON feed.t IS 'not checked yet'; COMMENT ON INDEX feed.by_v IS 'for searches';
    CREATE FUNCTION feed.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER g BEFORE INSERT ON feed.t FOR EACH ROW EXECUTE FUNCTION feed.f();
    CREATE TRIGGER silent AFTER DELETE ON feed.t FOR EACH STATEMENT EXECUTE FUNCTION feed.f();
    ALTER TABLE feed.t DISABLE TRIGGER silent;
    CREATE POLICY p ON feed.t FOR SELECT TO adsp_api USING (id > 0);
    GRANT SELECT ON feed.t TO adsp_api WITH GRANT OPTION; GRANT UPDATE (v) ON feed.t TO adsp_worker;
    CREATE VIEW feed.seen AS SELECT id, v, made FROM feed.t WHERE id > 1;
    CREATE MATERIALIZED VIEW feed.kept AS SELECT count(*) AS n FROM feed.t;
    CREATE TABLE feed.child (t_id int REFERENCES feed.t, words text[]);
    CREATE FUNCTION feed.rows() RETURNS SETOF feed.t LANGUAGE sql AS 'SELECT * FROM feed.t';
    GRANT USAGE ON SCHEMA feed TO adsp_owner, adsp_api;
    ALTER TABLE feed.t OWNER TO adsp_owner; ALTER TABLE feed.parent OWNER TO adsp_owner;
    ALTER TABLE feed.child OWNER TO adsp_owner;
    INSERT INTO feed.t (id, v) SELECT i, 'old' FROM generate_series(1, {OLD}) AS i
"""


def replacing(**changes: Any) -> DatasetDefinition:
    """Return a dataset that replaces feed.t."""
    return DatasetDefinition.model_validate({"table": "feed.t", "mode": "replace", **changes})


def new_rows(count: int = NEW, word: str = "new") -> bytes:
    """Return a file of rows."""
    return b"id,v\n" + "".join(f"{i},{word}\n" for i in range(1, count + 1)).encode()


def dump(bench: LoadBench) -> list[str]:
    """Return everything that Postgres knows about schema `feed` except rows."""
    made = subprocess.run(
        [client_program("pg_dump"), "--schema-only", "--schema=feed", bench.database.superuser_dsn],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return [line for line in made.stdout.splitlines() if not line.startswith("\\")]


@contextmanager
def reader(bench: LoadBench) -> Iterator[Connection]:
    """Give a connection that reads."""
    with closing(psycopg2.connect(bench.database.superuser_dsn)) as connection:
        yield connection


def words(connection: Connection) -> dict[str, int]:
    """Count the rows by their word."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT v, count(*) FROM feed.t GROUP BY v")
        return dict(cursor.fetchall())


def test_whoever_reads_all_the_time_sees_one_file_or_the_other(bench: LoadBench) -> None:
    bench.execute(TABLE)
    over, seen = threading.Event(), list[dict[str, int]]()

    def read() -> None:
        with reader(bench) as connection:
            connection.autocommit = True
            while not over.is_set():
                seen.append(words(connection))

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for round_ in range(6):
                bench.load(new_rows(NEW, f"new {round_}"), replacing(), block_bytes=2000)
        finally:
            over.set()
        for future in readers:
            future.result(PATIENCE)

    whole = [{"old": OLD}, *({f"new {round_}": NEW} for round_ in range(6))]
    assert [counts for counts in seen if counts not in whole] == []
    assert len(seen) > 6
    assert bench.execute("SELECT DISTINCT v FROM feed.t") == [("new 5",)]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_whoever_began_to_read_before_never_finds_it_empty(bench: LoadBench, level: str) -> None:
    bench.execute(TABLE)
    with reader(bench) as connection, connection.cursor() as cursor:
        connection.set_session(isolation_level=level, readonly=True)
        cursor.execute("SELECT count(*) FROM adsp.jobs")  # takes the snapshot, not the table's lock

        bench.load(new_rows(), replacing())

        assert words(connection) in ({"old": OLD}, {"new": NEW})


def test_nothing_but_the_rows_is_another_afterwards(bench: LoadBench) -> None:
    bench.execute(ADORNED)
    before = dump(bench)

    job_id = bench.load(new_rows() + b"x,bad\n5,again\n9999,bad\n", replacing())

    assert bench.chunk(job_id)["state"] == "done"
    assert dump(bench) == before
    assert bench.execute("SELECT v, count(*) FROM feed.t GROUP BY 1") == [("new", NEW)]
    assert [code for _, _, _, code, *_ in bench.failed_rows(job_id)] == [
        "type-error",
        "unique",
        "check",
    ]
    assert bench.execute("SELECT count(*), sum(made - id) FROM feed.seen") == [(NEW - 1, NEW - 1)]
    assert bench.execute("SELECT count(*) FROM feed.rows()") == [(NEW,)]
    invalid = "SELECT indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)"
    assert bench.execute(invalid) == []


def test_its_indexes_find_the_rows_and_its_constraints_hold_afterwards(bench: LoadBench) -> None:
    bench.execute(ADORNED)

    bench.load(new_rows(), replacing())

    bench.execute("SET enable_seqscan = off")
    try:
        assert bench.execute("SELECT id FROM feed.t WHERE id = 77") == [(77,)]
        assert bench.execute("SELECT count(*) FROM feed.t WHERE lower(v) = 'new' AND id > 3") == [
            (NEW - 3,)
        ]
    finally:
        bench.execute("RESET enable_seqscan")
    bench.execute(f"INSERT INTO feed.child VALUES ({NEW})")
    for statement, error in {
        f"INSERT INTO feed.child VALUES ({NEW + 1})": psycopg2.errors.ForeignKeyViolation,
        f"DELETE FROM feed.t WHERE id = {NEW}": psycopg2.errors.ForeignKeyViolation,
        "INSERT INTO feed.t (id) VALUES (1)": psycopg2.errors.UniqueViolation,
        "INSERT INTO feed.t (id, v) VALUES (-1, 'bad')": psycopg2.errors.CheckViolation,
        "INSERT INTO feed.t (id, parent) VALUES (-1, 9)": psycopg2.errors.ForeignKeyViolation,
    }.items():
        with pytest.raises(error):
            bench.execute(statement)
    with closing(psycopg2.connect(bench.database.dsn_for("api"))) as api:
        assert words(api) == {"new": NEW}


def test_rows_that_others_refer_to_are_never_taken_from_under_them(bench: LoadBench) -> None:
    """The job may fail, which leaves the old rows, or succeed, when the new ones have all the keys."""
    bench.execute(TABLE + "; CREATE TABLE feed.child (t_id int REFERENCES feed.t)")
    bench.execute("INSERT INTO feed.child VALUES (1), (7)")

    kept = bench.load(new_rows(), replacing())
    lost = bench.load(new_rows(3), replacing())

    assert bench.chunk(lost)["state"] == "failed"
    assert "child" in bench.chunk(lost)["error_message"]
    is_replaced = bench.chunk(kept)["state"] == "done"
    left = ("new", NEW) if is_replaced else ("old", OLD)
    assert bench.execute("SELECT v, count(*) FROM feed.t GROUP BY 1") == [left]
    assert bench.execute("SELECT * FROM feed.child ORDER BY 1") == [(1,), (7,)]


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_a_replace_that_would_reach_into_other_tables_is_refused(
    bench: LoadBench, action: str
) -> None:
    bench.execute(
        f"{TABLE}; CREATE TABLE feed.child (t_id int REFERENCES feed.t ON DELETE {action})"
    )
    bench.execute("INSERT INTO feed.child VALUES (1), (7)")

    job_id = bench.load(new_rows(), replacing())

    assert bench.chunk(job_id)["error_code"] == "table-not-permitted"
    assert "feed.child" in bench.chunk(job_id)["error_message"]
    assert bench.execute("SELECT * FROM feed.child ORDER BY 1") == [(1,), (7,)]
    assert bench.execute("SELECT DISTINCT v FROM feed.t") == [("old",)]


@pytest.mark.parametrize(
    "limits", [{"max_rejected_rows": 2}, {"max_rejected_ratio": 0.001}], ids=str
)
def test_a_replace_beyond_its_threshold_leaves_the_old_rows(
    bench: LoadBench, limits: dict[str, float]
) -> None:
    bench.execute(TABLE)

    job_id = bench.load(new_rows() + b"x,1\ny,2\nz,3\n", replacing(**limits), block_rows=50)

    assert bench.chunk(job_id)["error_code"] == "too-many-rejects"
    assert bench.execute("SELECT v, count(*) FROM feed.t GROUP BY 1") == [("old", OLD)]
    assert len(bench.failed_rows(job_id)) == 3


def test_a_source_that_breaks_off_leaves_the_old_rows(bench: LoadBench) -> None:
    bench.execute(TABLE)
    torn = gzip.compress(new_rows(20_000))[:-20]

    job_id = bench.load(torn, replacing(), block_bytes=2000)

    assert bench.chunk(job_id)["error_code"] == "source-corrupt"
    assert bench.execute("SELECT v, count(*) FROM feed.t GROUP BY 1") == [("old", OLD)]


def test_a_file_without_rows_empties_the_table(bench: LoadBench) -> None:
    bench.execute(TABLE)

    bench.load(new_rows(0), replacing())

    assert bench.execute("SELECT * FROM feed.t") == []


def test_of_two_replaces_at_once_one_is_there_as_a_whole(bench: LoadBench) -> None:
    bench.execute(TABLE)
    jobs = [bench.add_job(new_rows(NEW + i, f"job {i}"), replacing()) for i in range(2)]

    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(bench.loader(block_bytes=2000).load_chunk, job, 0) for job in jobs]
        outcomes = [load.result(PATIENCE) for load in loads]

    assert outcomes == [Outcome.LOADED, Outcome.LOADED]
    left = bench.execute("SELECT v, count(*) FROM feed.t GROUP BY 1")
    assert left in ([("job 0", NEW)], [("job 1", NEW + 1)])


def test_a_partition_stays_in_its_place(bench: LoadBench) -> None:
    bench.execute(
        "CREATE TABLE feed.whole (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);"
        " CREATE TABLE feed.t PARTITION OF feed.whole FOR VALUES FROM (0) TO (1000);"
        " CREATE TABLE feed.rest PARTITION OF feed.whole DEFAULT;"
        " INSERT INTO feed.whole VALUES (1, 'old'), (5000, 'other')"
    )
    before = dump(bench)

    job_id = bench.load(new_rows(3) + b"4000,beyond\n", replacing())

    assert dump(bench) == before
    assert bench.execute("SELECT v, count(*) FROM feed.whole GROUP BY 1 ORDER BY 1") == [
        ("new", 3),
        ("other", 1),
    ]
    assert [code for _, _, _, code, *_ in bench.failed_rows(job_id)] == ["check"]
