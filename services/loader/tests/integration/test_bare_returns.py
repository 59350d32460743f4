"""A lone CR in an unquoted cell cuts no record: where lines end with LF or CRLF it is damage."""

from contextlib import closing
from random import Random
from typing import Any

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.tests.integration.conftest import LoadBench

BY_BLOCKS = "CREATE TABLE feed.t (id int PRIMARY KEY, note text)"
BY_RECORDS = "CREATE TABLE feed.t (id int PRIMARY KEY, note name)"
NOTES = b"id,note\n1,Line one\rLine two\n2,ok\n3,cut here\r\n4,end\n"


def definition(**changes: Any) -> DatasetDefinition:
    """Return the dataset of feed.t."""
    return DatasetDefinition.model_validate({"table": "feed.t", **changes})


@pytest.mark.parametrize("table", [BY_BLOCKS, BY_RECORDS], ids=["blocks", "records"])
@pytest.mark.parametrize("block_bytes", [12, 1 << 20])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_return_inside_a_cell_makes_one_failed_row_with_all_its_bytes(
    bench: LoadBench, table: str, block_bytes: int, ending: bytes
) -> None:
    bench.execute(table)
    data = NOTES.replace(b"\r\n", b"\n").replace(b"\n", ending)

    job_id = bench.load(data, definition(), block_bytes=block_bytes)

    [(line, offset, raw, code, *rest, message)] = bench.failed_rows(job_id)
    assert (line, raw, code, rest) == (
        2,
        b"1,Line one\rLine two",
        "bare-carriage-return",
        [None, None],
    )
    assert data[offset:].startswith(raw)
    assert "take the return out or quote its cell" in message
    assert bench.execute("SELECT id, note FROM feed.t ORDER BY id") == [
        (2, "ok"),
        (3, "cut here"),
        (4, "end"),
    ]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_each_chunk_knows_how_the_header_ends(bench: LoadBench, ending: bytes) -> None:
    """In a file of lone CRs each of them ends a record, in the last chunk too."""
    bench.execute(BY_BLOCKS)
    cells = [b'"a\rb"' if i % 7 == 3 else b"x" for i in range(200)]
    bad = {0, 60, 199} if ending != b"\r" else set[int]()
    lines = [b"%d,%b" % (i, b"c\rd" if i in bad else cell) for i, cell in enumerate(cells)]
    data = b"id,note" + ending + b"".join(line + ending for line in lines)
    dataset = definition(atomic=False)
    chunks = bench.plan(data, dataset, 300)
    job_id = bench.add_job(data, dataset, chunks)
    numbers = list(range(len(chunks)))
    Random(1).shuffle(numbers)

    with closing(bench.loader(block_bytes=100)) as loader:
        for number in numbers:
            loader.load_chunk(job_id, number)

    assert len(chunks) >= 4
    found = {(line, raw, code) for line, _, raw, code, *_ in bench.failed_rows(job_id)}
    lone = 0 if ending != b"\r" else 1
    assert found == {(i + 2, lines[i], "bare-carriage-return") for i in bad}
    assert bench.execute("SELECT count(*) FROM feed.t") == [(200 - len(bad),)]
    for start, _, line in chunks[1:]:
        before = data[:start]
        ends = before.count(b"\n") + lone * (before.count(b"\r"))
        assert line == ends + 1
