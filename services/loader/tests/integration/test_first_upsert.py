"""The rows of an upsert into a table without rows are appended, until a key comes again."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from libs.common.datasets.definition import DatasetDefinition
from libs.devstack.testing.waiting import wait_for
from services.loader.chunk_loader import Outcome
from services.loader.tests.integration.conftest import LoadBench

ROWS = 3000
PATIENCE = 60
KEYED = "CREATE TABLE feed.t (id int PRIMARY KEY, v text NOT NULL CHECK (v <> 'bad'))"
STARTED_OVER = "load_started_over"


def dataset(**changes: Any) -> DatasetDefinition:
    """Return a dataset that upserts into feed.t."""
    return DatasetDefinition.model_validate(
        {"table": "feed.t", "mode": "upsert", "key": ["id"], **changes}
    )


def file_of(*more: str) -> bytes:
    """Return a file of many rows and some at its end."""
    lines = ["id,v", *(f"{i},word {i}" for i in range(ROWS)), *more]
    return ("\n".join(lines) + "\n").encode()


def counts(bench: LoadBench, job: Any) -> tuple[int, ...]:
    """Return the rows that a job has loaded, rejected and superseded."""
    chunk = bench.chunk(job)
    assert (chunk["state"], chunk["error_message"], chunk["load_path"]) == ("done", None, "blocks")
    return tuple(chunk[f"rows_{name}"] for name in ("loaded", "rejected", "superseded"))


@pytest.mark.parametrize(
    ("more", "expected", "is_started_over"),
    [
        ([], (ROWS, 0, 0), False),
        (["x,wrong type", "7000,bad", "7001"], (ROWS, 3, 0), False),
        (["7,again", "8,bad", "7,and again"], (ROWS, 1, 2), True),
    ],
    ids=["plain", "failed rows", "repeated"],
)
@pytest.mark.parametrize("block_bytes", [1 << 12, 1 << 21])
def test_a_key_that_comes_again_makes_it_start_over(
    bench: LoadBench,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    expected: tuple[int, ...],
    block_bytes: int,
    *,
    is_started_over: bool,
) -> None:
    """What is counted, and what the table holds, is what the other strategies leave."""
    bench.execute(KEYED)

    job = bench.load(file_of(*more), dataset(), block_bytes=block_bytes)

    assert (STARTED_OVER in capsys.readouterr().out) is is_started_over
    assert counts(bench, job) == expected
    [(rows, word)] = bench.execute("SELECT count(*), max(v) FILTER (WHERE id = 7) FROM feed.t")
    assert (rows, word) == (ROWS, "and again" if is_started_over else "word 7")


def test_thresholds_do_not_count_keys_that_come_again(bench: LoadBench) -> None:
    bench.execute(KEYED)

    job = bench.load(
        file_of(*[f"{i},again" for i in range(100)]),
        dataset(max_rejected_rows=0),
        block_bytes=1 << 12,
    )

    assert counts(bench, job) == (ROWS, 0, 100)


def test_a_row_that_another_writer_commits_meanwhile_is_updated(
    bench: LoadBench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.execute(KEYED)
    job = bench.add_job(file_of(), dataset())
    with (
        closing(psycopg2.connect(bench.database.superuser_dsn)) as other,
        other.cursor() as cursor,
        ThreadPoolExecutor(1) as pool,
        closing(bench.loader()) as loader,
    ):
        cursor.execute("INSERT INTO feed.t VALUES (7, 'of another')")
        load = pool.submit(loader.load_chunk, job, 0)
        wait_for(
            lambda: bench.execute("SELECT pid FROM pg_locks WHERE NOT granted"),
            PATIENCE,
            "a load that waits",
        )
        other.commit()
        assert load.result(PATIENCE) is Outcome.LOADED

    assert STARTED_OVER in capsys.readouterr().out
    assert counts(bench, job) == (ROWS, 0, 0)
    assert bench.execute("SELECT v FROM feed.t WHERE id = 7") == [("word 7",)]


@pytest.mark.parametrize(
    "ddl",
    [
        pytest.param("INSERT INTO feed.t VALUES (-1, 'old')", id="holds a row"),
        pytest.param(
            "CREATE FUNCTION feed.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE TRIGGER noted AFTER UPDATE ON feed.t EXECUTE FUNCTION feed.note()",
            id="has triggers",
        ),
    ],
)
def test_other_tables_are_not_appended_to(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch, ddl: str
) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("appended")

    monkeypatch.setattr("services.loader.target.NewKeyAppender", refuse)
    bench.execute(f"{KEYED}; {ddl}")

    job = bench.load(file_of("7,again"), dataset())

    assert bench.chunk(job)["rows_superseded"] == 1
