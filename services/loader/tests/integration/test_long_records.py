"""A record above the cap is a failed row that keeps all its bytes, or says how many it lacks."""

import gzip

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.tests.integration.conftest import LoadBench

CAP = 1024
SHAPES = DatasetDefinition(table="feed.shapes", format={"compression": "auto"})
LONG = b'2,"POLYGON((' + b"1 2," * 5_000 + b'3 4))"'
DATA = b"id,shape\n1,POINT\n" + LONG + b"\n3,LINE\n"


@pytest.fixture
def table(bench: LoadBench) -> LoadBench:
    bench.execute("CREATE TABLE feed.shapes (id int, shape text)")
    return bench


@pytest.mark.parametrize("data", [DATA, gzip.compress(DATA)], ids=["plain", "gzip"])
@pytest.mark.parametrize("block_bytes", [500, 1 << 20])
def test_all_its_bytes_are_kept(table: LoadBench, data: bytes, block_bytes: int) -> None:
    job_id = table.load(data, SHAPES, max_record_bytes=CAP, block_bytes=block_bytes)

    [row] = table.failed_rows(job_id)
    assert row[:4] == (3, DATA.index(LONG), LONG, "line-too-long")
    assert "ADSP_MAX_RECORD_BYTES" in row[-1]
    assert table.execute("SELECT record_bytes FROM adsp.failed_rows") == [(None,)]
    assert table.execute("SELECT id FROM feed.shapes ORDER BY 1") == [(1,), (3,)]


@pytest.mark.parametrize("block_bytes", [500, 1 << 20])
def test_of_one_above_the_limit_of_failed_rows_the_start_and_the_length(
    table: LoadBench, block_bytes: int
) -> None:
    job_id = table.load(
        DATA, SHAPES, max_record_bytes=CAP, max_failed_record_bytes=5_000, block_bytes=block_bytes
    )

    [(_, _, raw, *_)] = table.failed_rows(job_id)
    assert raw == LONG[:5_000]
    assert table.execute("SELECT record_bytes FROM adsp.failed_rows") == [(len(LONG) + 1,)]


def test_with_a_cap_that_allows_it_it_loads(table: LoadBench) -> None:
    table.load(DATA, SHAPES)

    assert table.execute("SELECT count(*), max(length(shape)) FROM feed.shapes") == [
        (3, len(LONG) - 4)
    ]
