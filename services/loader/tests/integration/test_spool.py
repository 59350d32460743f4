"""Failed rows have room for as long as a load runs, and say so when they have none."""

import resource
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.chunk_loader import Outcome
from services.loader.rejects.packed import PackedBytes
from services.loader.tests.integration.conftest import LoadBench

PAIRS = DatasetDefinition(table="feed.t")
COUNT = 120_000


def half_bad(count: int) -> bytes:
    """Return a file of which every second record breaks a CHECK."""
    return b"id,v\n" + b"".join(b"%d,some text\n" % (n if n % 2 else -n) for n in range(count))


@pytest.fixture
def table(bench: LoadBench) -> LoadBench:
    bench.execute("CREATE TABLE feed.t (id int CHECK (id >= 0), v text)")
    return bench


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_failed_rows_wait_compressed(table: LoadBench, tmp_path: Path) -> None:
    """Of a file of 2 MB: uncompressed its failed rows would not fit into 3 MB."""
    job_id = table.add_job(half_bad(COUNT), PAIRS)
    with files_of_at_most(3 << 20), closing(table.loader(spool_bytes=0, spool_dir=tmp_path)) as one:
        outcome = one.load_chunk(job_id, 0)

    chunk = table.chunk(job_id)
    assert (outcome, chunk["rows_loaded"], chunk["rows_rejected"]) == (
        Outcome.LOADED,
        COUNT // 2 + 1,
        COUNT // 2 - 1,
    )
    [(count, first, last)] = table.execute(
        "SELECT count(*), min(line_number), max(line_number) FROM adsp.failed_rows WHERE job_id = %s",
        str(job_id),
    )
    assert (count, first, last) == (COUNT // 2 - 1, 4, COUNT)


def test_a_spool_without_room_fails_the_load_once(table: LoadBench, tmp_path: Path) -> None:
    job_id = table.add_job(half_bad(COUNT), PAIRS)
    loader = table.loader(spool_bytes=0, spool_dir=tmp_path, block_bytes=200_000)
    with files_of_at_most(200_000), closing(loader) as one:
        outcome = one.load_chunk(job_id, 0)

    chunk = table.chunk(job_id)
    assert (outcome, chunk["error_code"], chunk["attempt"]) == (Outcome.FAILED, "spool-full", 1)
    assert str(tmp_path) in chunk["error_message"]
    assert "ADSP_SPOOL_DIR" in chunk["error_message"]
    assert table.execute("SELECT count(*) FROM feed.t") == [(0,)]
    kept = table.execute("SELECT count(*) FROM adsp.failed_rows WHERE job_id = %s", str(job_id))
    assert kept == [(chunk["rows_rejected"],)]
    assert 10_000 < chunk["rows_rejected"] < COUNT // 2 - 1


def test_a_spool_that_the_last_block_fills_fails_the_load_too(
    table: LoadBench, tmp_path: Path
) -> None:
    job_id = table.add_job(half_bad(COUNT), PAIRS)
    with (
        files_of_at_most(200_000),
        closing(table.loader(spool_bytes=0, spool_dir=tmp_path)) as one,
    ):
        outcome = one.load_chunk(job_id, 0)

    chunk = table.chunk(job_id)
    assert (outcome, chunk["error_code"], chunk["attempt"]) == (Outcome.FAILED, "spool-full", 1)
    kept = table.execute("SELECT count(*) FROM adsp.failed_rows WHERE job_id = %s", str(job_id))
    assert kept == [(chunk["rows_rejected"],)] == [(COUNT // 2 - 1,)]


def test_failed_rows_are_compressed_while_postgres_takes_the_next_block(
    table: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[threading.Thread] = set()
    append = PackedBytes.append

    def note(self: PackedBytes, data: bytes | memoryview) -> None:
        threads.add(threading.current_thread())
        append(self, data)

    monkeypatch.setattr(PackedBytes, "append", note)
    job_id = table.load(half_bad(COUNT), PAIRS, block_bytes=200_000)

    assert table.chunk(job_id)["rows_rejected"] == COUNT // 2 - 1
    assert len(threads) == 1
    assert threading.current_thread() not in threads
