"""Tables that are more than they seem: parents of others, and as wide as Postgres allows."""

from typing import Any

import pytest

from libs.common.datasets.definition import DatasetDefinition
from libs.common.postgres.target_table import MOST_COLUMNS
from services.loader.tests.integration.conftest import LoadBench

UPSERT = {"mode": "upsert", "key": ["c0"]}


def test_a_replace_leaves_the_rows_of_tables_that_inherit(bench: LoadBench) -> None:
    """Rights on them are not asked for when the parent is named."""
    bench.execute(
        "CREATE TABLE feed.places (id int, name text); CREATE TABLE feed.capitals (country text)"
        " INHERITS (feed.places); INSERT INTO feed.capitals VALUES (1, 'Vienna', 'AT');"
        "REVOKE ALL ON feed.capitals FROM adsp_loader; INSERT INTO feed.places VALUES (2, 'Linz')"
    )
    bench.load(b"id,name\n10,Graz\n", DatasetDefinition(table="feed.places", mode="replace"))

    assert bench.execute("SELECT id, name FROM feed.places ORDER BY 1") == [
        (1, "Vienna"),
        (10, "Graz"),
    ]


def test_a_replace_empties_partitions(bench: LoadBench) -> None:
    bench.execute(
        "CREATE TABLE feed.t (id int, name text) PARTITION BY RANGE (id);"
        "CREATE TABLE feed.low PARTITION OF feed.t FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE feed.high PARTITION OF feed.t FOR VALUES FROM (10) TO (20);"
        "INSERT INTO feed.t VALUES (1, 'a'), (11, 'b')"
    )
    bench.load(b"id,name\n12,c\n", DatasetDefinition(table="feed.t", mode="replace"))

    assert bench.execute("SELECT id, name FROM feed.t") == [(12, "c")]


def test_a_key_of_an_inheriting_table_is_none_for_a_foreign_key(bench: LoadBench) -> None:
    """The first record of the key is refused by itself, so it is a failed row and not superseded."""
    bench.execute(
        "CREATE TABLE feed.parent (id int PRIMARY KEY); CREATE TABLE feed.child () INHERITS (feed.parent);"
        "INSERT INTO feed.parent VALUES (1); INSERT INTO feed.child VALUES (2);"
        "CREATE TABLE feed.t (c0 int PRIMARY KEY, parent int REFERENCES feed.parent)"
    )
    job_id = bench.load(
        b"c0,parent\n7,2\n7,1\n", DatasetDefinition.model_validate({"table": "feed.t", **UPSERT})
    )

    assert bench.execute("SELECT * FROM feed.t") == [(7, 1)]
    assert [row[0] for row in bench.failed_rows(job_id)] == [2]
    assert bench.chunk(job_id)["rows_superseded"] == 0


@pytest.mark.parametrize("options", [{}, {"mode": "replace"}, UPSERT], ids=str)
def test_a_table_of_the_most_columns_is_loaded_beside_a_bad_row(
    bench: LoadBench, options: dict[str, Any]
) -> None:
    """Tables of ours with a column more cannot be made."""
    names = [f"c{place}" for place in range(MOST_COLUMNS)]
    columns = ", ".join(f"{name} int" for name in names)
    bench.execute(f"CREATE TABLE feed.t ({columns}, PRIMARY KEY (c0))")
    lines = [f"{number}{',1' * (MOST_COLUMNS - 1)}" for number in range(45)]
    lines[7] = lines[7].replace(",1", ",x", 1)
    lines.append("3" + ",2" * (MOST_COLUMNS - 1))
    data = "\n".join([",".join(names), *lines, ""]).encode()
    job_id = bench.load(data, DatasetDefinition.model_validate({"table": "feed.t", **options}))

    chunk, is_upsert = bench.chunk(job_id), bool(options.get("key"))
    assert chunk["error_message"] is None
    counts = [chunk[f"rows_{end}"] for end in ("loaded", "rejected", "superseded")]
    assert counts == ([44, 1, 1] if is_upsert else [44, 2, 0])
    assert bench.execute("SELECT count(*), max(c1599) FROM feed.t") == [(44, 1 + is_upsert)]
