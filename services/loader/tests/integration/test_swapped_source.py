"""A file that is swapped for another of the same size and time is not loaded under the first one's fingerprint."""

import gzip
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.chunk_loader import Outcome
from services.loader.tests.integration.conftest import LoadBench

ROWS = b"".join(b"%05d,text\n" % number for number in range(2_000))
OTHER_ROWS = ROWS.replace(b"01999,text", b"01999,TEXT")
TABLE = "CREATE TABLE feed.t (id int, v text)"
SPANS = 4


def definition(**changes: Any) -> DatasetDefinition:
    """Return the dataset of feed.t with changes."""
    return DatasetDefinition.model_validate({"table": "feed.t", **changes})


def rename_over(path: Path, data: bytes) -> None:
    """Put another file into the place of one: another inode."""
    seen = path.stat()
    new = path.with_suffix(".new")
    new.write_bytes(data)
    os.utime(new, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    new.replace(path)


def write_over(path: Path, data: bytes) -> None:
    """Write other bytes into the same file."""
    seen = path.stat()
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


Swap = Callable[[Path, bytes], None]
both_ways = pytest.mark.parametrize("swap", [rename_over, write_over])


def gzipped(data: bytes) -> bytes:
    """Compress without the time and at no level: equal lengths stay equal."""
    return gzip.compress(data, compresslevel=0, mtime=0)


@both_ways
@pytest.mark.parametrize(
    ("encode", "options"),
    [
        pytest.param(bytes, {}, id="plain"),
        pytest.param(gzipped, {}, id="gzip"),
        pytest.param(
            lambda data: data.decode().encode("utf-16-le"),
            {"format": {"encoding": "utf-16-le"}},
            id="utf-16",
        ),
        pytest.param(bytes, {"mode": "upsert", "key": ["id"]}, id="upsert"),
        pytest.param(bytes, {"mode": "replace"}, id="replace"),
    ],
)
def test_a_swapped_file_is_not_loaded(
    bench: LoadBench, swap: Swap, encode: Callable[[bytes], bytes], options: dict[str, Any]
) -> None:
    bench.execute(TABLE + "; CREATE UNIQUE INDEX ON feed.t (id); INSERT INTO feed.t VALUES (-1)")
    planned, other = encode(b"id,v\n" + ROWS), encode(b"id,v\n" + OTHER_ROWS)
    assert len(planned) == len(other)
    job_id = bench.add_job(planned, definition(**options))
    swap(bench.folder / f"{job_id}.csv", other)

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.FAILED

    assert bench.chunk(job_id)["error_code"] == "source-changing"
    assert bench.execute("SELECT id, v FROM feed.t") == [(-1, None)]


@both_ways
def test_each_chunk_is_compared_with_its_part(bench: LoadBench, swap: Swap) -> None:
    """Only the last chunk reads what differs; the others may load, they are what was planned."""
    bench.execute(TABLE)
    data = b"id,v\n" + ROWS
    dataset = definition(atomic=False)
    chunks = bench.plan(data, dataset, len(data) // SPANS)
    job_id = bench.add_job(data, dataset, chunks)
    swap(bench.folder / f"{job_id}.csv", b"id,v\n" + OTHER_ROWS)

    with closing(bench.loader()) as loader:
        outcomes = [loader.load_chunk(job_id, number) for number in range(len(chunks))]

    assert len(chunks) >= SPANS
    assert outcomes == [Outcome.LOADED] * (len(chunks) - 1) + [Outcome.FAILED]
    assert bench.execute("SELECT count(*) FROM feed.t WHERE v <> 'text'") == [(0,)]


def test_a_later_chunk_knows_the_header_that_was_planned(bench: LoadBench) -> None:
    """Its own bytes are the same, but would go into the other columns."""
    bench.execute("CREATE TABLE feed.t (a text, b text)")
    data = b"a,b\n" + ROWS
    dataset = definition(atomic=False)
    chunks = bench.plan(data, dataset, len(data) // SPANS)
    job_id = bench.add_job(data, dataset, chunks)
    rename_over(bench.folder / f"{job_id}.csv", b"b,a\n" + ROWS)

    with closing(bench.loader()) as loader:
        outcomes = {loader.load_chunk(job_id, number) for number in range(len(chunks))}

    assert outcomes == {Outcome.FAILED}
    assert bench.execute("SELECT count(*) FROM feed.t") == [(0,)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_chunks_of_what_was_planned_load(bench: LoadBench, encoding: str) -> None:
    """Also where records are longer than the cap and quotes never close."""
    bench.execute(TABLE)
    text = "\ufeffid,v\n" + "".join(f'{n},"a\n{"é" * 40}"\n' for n in range(200))
    data = (text + f"1,{'x' * 3000}\n" + text[10:] + '5,"open\n').encode(encoding)
    dataset = definition(atomic=False, format={"encoding": encoding})
    cap = 1024
    chunks = bench.plan(data, dataset, 2_000, cap)
    job_id = bench.add_job(data, dataset, chunks)

    with closing(bench.loader(max_record_bytes=cap)) as loader:
        outcomes = {loader.load_chunk(job_id, number) for number in range(len(chunks))}

    assert len(chunks) > SPANS
    assert outcomes == {Outcome.LOADED}
