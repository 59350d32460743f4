"""Rows get the columns that their dataset adds: the same by blocks and by records, in every mode."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.tests.integration.cases import Case
from services.loader.tests.integration.comparison import compare_case
from services.loader.tests.integration.conftest import LoadBench
from services.loader.tests.integration.test_several_files import add_files

BY_BLOCKS, BY_RECORDS = "", ", p point DEFAULT '(0,0)'"
DAYS = "CREATE TABLE feed.{t} (id int, v text, day %s)"


def _load(bench: LoadBench, data: str, more: str, add: dict[str, str], **options: Any) -> Any:
    """Load a file into a table with a column for each value; return the chunk."""
    bench.execute(
        "CREATE TABLE feed.t (id int, file text, line bigint, job uuid, day date, at timestamptz, local timestamp,"
        f" label text{more})"
    )
    given = {"p": "(1,2)"} if more else {}
    definition = DatasetDefinition.model_validate(
        {"table": "feed.t", "add": {**add, **given}, **options}
    )
    return bench.chunk(bench.load(data.encode(), definition))


@pytest.mark.parametrize("more", [BY_BLOCKS, BY_RECORDS], ids=["by blocks", "by records"])
def test_the_time_of_a_load_is_that_of_its_transaction_in_the_zone_of_the_dataset(
    bench: LoadBench, more: str
) -> None:
    before = datetime.now(UTC)
    add = {"at": "$loaded_at", "local": "$loaded_at"}
    chunk = _load(bench, "id\n1\n2\n", more, add, time_zone="Asia/Kathmandu")
    [(at, is_local, count)] = bench.execute(
        "SELECT min(at), bool_and(local = at AT TIME ZONE 'Asia/Kathmandu'), count(DISTINCT at) FROM feed.t"
    )

    assert chunk["error_message"] is None
    assert before <= at <= datetime.now(UTC)
    assert (is_local, count) == (True, 1)


@pytest.mark.parametrize("more", [BY_BLOCKS, BY_RECORDS], ids=["by blocks", "by records"])
def test_a_constant_may_look_like_anything(bench: LoadBench, more: str) -> None:
    """What it means in COPY's text, in SQL or in a CSV file does not matter."""
    label = '$$a\tb\\N\n"q",\'%s\r{0}é'
    chunk = _load(bench, "id\n1\n", more, {"label": label})

    assert chunk["error_message"] is None
    assert bench.execute("SELECT label FROM feed.t") == [(label[1:],)]


@pytest.mark.parametrize("more", [BY_BLOCKS, BY_RECORDS], ids=["by blocks", "by records"])
def test_of_several_files_each_row_has_its_own_file_and_line(bench: LoadBench, more: str) -> None:
    bench.execute(f"CREATE TABLE feed.t (id int, v text, line int, file text{more})")
    add = {"line": "$line", "file": "$file", **({"p": "(1,2)"} if more else {})}
    definition = DatasetDefinition.model_validate({"table": "feed.t", "match": "all", "add": add})
    job_id = add_files(bench, [b"id,v\n1,a\n2,b\n", b'id,v\n3,"c\nd"\n4,e\n'], definition)
    with closing(bench.loader()) as loader:
        loader.load_chunk(job_id, 0)

    assert bench.execute("SELECT id, line, file FROM feed.t ORDER BY id") == [
        (1, 2, f"{job_id}-1.csv"),
        (2, 3, f"{job_id}-1.csv"),
        (3, 2, f"{job_id}-2.csv"),
        (4, 4, f"{job_id}-2.csv"),
    ]


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz", "text"])
@pytest.mark.parametrize("value", ["$data_date", "2026-01-02", "2026-01-03"])
def test_a_slice_may_go_by_an_added_column(shared_bench: LoadBench, kind: str, value: str) -> None:
    """So a file that does not name its day replaces the rows of that day."""
    case = Case(
        "slice",
        b"id,v\n1,a\nx,b\n3,c\n",
        DAYS % kind,
        key=None,
        options={"scope": {"day": "data_date"}, "add": {"day": value}},
        rows_before=[
            "INSERT INTO feed.{t} VALUES (8, 'other', '2026-01-01'), (9, 'same', '2026-01-02')"
        ],
    )

    compare_case(shared_bench, case, "replace")


def test_a_line_beyond_its_column_is_a_failed_row(shared_bench: LoadBench) -> None:
    """Blocks of lines that fit go as they are, the others record by record."""
    lines = "".join(f"{number}\n" for number in range(33_000))
    table = "CREATE TABLE feed.{t} (id int PRIMARY KEY, line smallint)"
    options = {"add": {"line": "$line"}}
    # Of the oracle's 33,000 inserts only those at the end are of interest.
    data = "id\n" + "\n" * 32_700 + lines[-300 * 6 :]
    case = Case("lines", data.encode(), table, options=options)

    compare_case(shared_bench, case, "append")
    compare_case(shared_bench, case, "append", block_bytes=200)
