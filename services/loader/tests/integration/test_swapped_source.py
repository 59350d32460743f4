"""A file that is swapped for another of the same size and time is not loaded under the first one's fingerprint."""

import gzip
import hashlib
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from libs.common.datasets.definition import DatasetDefinition
from libs.common.ledger.unread_content import UNREAD, is_unread
from libs.common.sources.opening import open_source
from libs.common.sources.stream import SourceStream
from services.loader import chunk_reader
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
    job_id = bench.add_job(planned, definition(**options), is_unread=False)
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


class Meanwhile:
    """Does something to a file once the loader has opened it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
        self._change: Callable[[], None] | None = change
        monkeypatch.setattr(chunk_reader, "open_source", self._opened)

    def _opened(self, location: Path, *given: Any) -> SourceStream:
        """Open it, the header first and then the records."""
        stream = open_source(location, *given)
        if given[2] is not None and self._change is not None:
            self._change()
            self._change = None
        return stream


ENCODINGS = [
    pytest.param(bytes, {}, id="plain"),
    pytest.param(gzipped, {}, id="gzip"),
    pytest.param(lambda data: b"\xef\xbb\xbf" + data, {}, id="mark"),
    pytest.param(
        lambda data: data.decode().encode("utf-16"), {"format": {"encoding": "utf-16"}}, id="utf-16"
    ),
    pytest.param(
        lambda data: b"note\n\n" + data, {"format": {"header": {"skip_before": 2}}}, id="preamble"
    ),
]


@pytest.mark.parametrize(("encode", "options"), ENCODINGS)
def test_the_fingerprint_of_an_unread_file_is_of_what_was_loaded(
    bench: LoadBench, encode: Callable[[bytes], bytes], options: dict[str, Any]
) -> None:
    """Also where another file has come into its place before the load: that is the one which is loaded."""
    bench.execute(TABLE)
    planned, other = encode(b"id,v\n" + ROWS), encode(b"id,v\n" + OTHER_ROWS)
    job_id = bench.add_job(planned, definition(**options), is_unread=True)
    rename_over(bench.folder / f"{job_id}.csv", other)

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.LOADED

    loaded = hashlib.sha256(other).hexdigest()
    assert bench.chunk(job_id)["digest"] == loaded
    assert bench.execute("SELECT fingerprint FROM adsp.jobs WHERE id = %s", str(job_id)) == [
        (loaded,)
    ]
    assert bench.execute("SELECT count(*), count(*) FILTER (WHERE v = 'TEXT') FROM feed.t") == [
        (2_000, 1)
    ]


@both_ways
@pytest.mark.parametrize(("encode", "options"), ENCODINGS[:2])
def test_an_unread_file_that_is_swapped_while_it_is_loaded_is_what_was_read(
    bench: LoadBench,
    swap: Swap,
    encode: Callable[[bytes], bytes],
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its size and times were put back."""
    bench.execute(TABLE)
    planned, other = encode(b"id,v\n" + ROWS), encode(b"id,v\n" + OTHER_ROWS)
    job_id = bench.add_job(planned, definition(**options), is_unread=True)
    path = bench.folder / f"{job_id}.csv"
    # Written over it is the new file, all of it, that is read and is there; else the old one is open, and gone.
    expected = Outcome.LOADED if swap is write_over else Outcome.FAILED
    Meanwhile(monkeypatch, lambda: swap(path, other))

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is expected

    chunk = bench.chunk(job_id)
    if expected is Outcome.FAILED:
        assert chunk["error_code"] == "source-changing"
        assert bench.execute("SELECT count(*) FROM feed.t") == [(0,)]
        assert is_unread(bench.execute("SELECT fingerprint FROM adsp.jobs")[0][0])
    else:
        assert chunk["digest"] == hashlib.sha256(other).hexdigest()


def test_a_half_written_unread_file_is_not_loaded(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that was read and the one that is there are two, of one size and time."""
    bench.execute(TABLE)
    job_id = bench.add_job(b"id,v\n" + ROWS, definition(), is_unread=True)
    path = bench.folder / f"{job_id}.csv"
    check = chunk_reader.ChunkSource.check_content

    def written(source: chunk_reader.ChunkSource) -> None:
        write_over(path, b"id,v\n" + OTHER_ROWS)
        check(source)

    monkeypatch.setattr(chunk_reader.ChunkSource, "check_content", written)

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.FAILED

    assert bench.chunk(job_id)["error_code"] == "source-changing"
    assert bench.execute("SELECT count(*) FROM feed.t") == [(0,)]


def test_who_changes_rights_while_an_unread_file_is_loaded_changes_no_byte(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.execute(TABLE)
    job_id = bench.add_job(b"id,v\n" + ROWS, definition(), is_unread=True)
    Meanwhile(monkeypatch, lambda: (bench.folder / f"{job_id}.csv").chmod(0o640))

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.LOADED


@pytest.mark.parametrize("is_learned", [False, True])
def test_an_unread_file_has_the_header_that_was_planned(
    bench: LoadBench, *, is_learned: bool
) -> None:
    """Also where another plan has read the file that came into the place of the planned one."""
    bench.execute("CREATE TABLE feed.t (a text, b text)")
    bench.jobs = 0  # the plan has kept the header
    job_id = bench.add_job(b"a,b\n" + ROWS, definition(), is_unread=True)
    other = b"b,a\n" + ROWS
    rename_over(bench.folder / f"{job_id}.csv", other)
    if is_learned:
        bench.execute("UPDATE adsp.jobs SET fingerprint = %s", hashlib.sha256(other).hexdigest())

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.FAILED

    assert bench.chunk(job_id)["error_code"] == "source-changing"
    assert bench.execute("SELECT count(*) FROM feed.t") == [(0,)]


def test_an_unread_file_has_the_header_of_its_records(
    bench: LoadBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader has seen the header of the old file, and reads the records of the new one."""
    bench.execute("CREATE TABLE feed.t (a text, b text)")
    bench.jobs = 0  # the plan has kept the header
    job_id = bench.add_job(b"a,b\n" + ROWS, definition(), is_unread=True)
    path = bench.folder / f"{job_id}.csv"
    Meanwhile(monkeypatch, lambda: write_over(path, b"b,a\n" + ROWS))

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.FAILED

    assert bench.chunk(job_id)["error_code"] == "source-changing"
    assert bench.execute("SELECT count(*) FROM feed.t") == [(0,)]


@pytest.mark.parametrize("is_same", [True, False])
def test_what_somebody_else_has_read_meanwhile_is_what_is_loaded(
    bench: LoadBench,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_same: bool,
) -> None:
    """A plan has read the file, for another one of its size, while the loader did: both must have read the same."""
    bench.execute(TABLE)
    data = b"id,v\n" + ROWS
    job_id = bench.add_job(data, definition(), is_unread=True)
    read = hashlib.sha256(data if is_same else b"id,v\n" + OTHER_ROWS).hexdigest()

    def learn() -> None:
        bench.execute("UPDATE adsp.jobs SET fingerprint = %s WHERE id = %s", read, str(job_id))

    Meanwhile(monkeypatch, learn)

    with closing(bench.loader()) as loader:
        outcome = loader.load_chunk(job_id, 0)
        if is_same:
            assert outcome is Outcome.LOADED
            return
        assert outcome is Outcome.SKIPPED
        assert bench.execute("SELECT count(*) FROM feed.t") == [(0,)]
        bench.execute("DELETE FROM adsp.chunk_leases")  # as it expires
        bench.execute("UPDATE adsp.chunks SET state = 'queued'")
        assert loader.load_chunk(job_id, 0) is Outcome.FAILED

    assert bench.chunk(job_id)["error_code"] == "source-changing"


def test_a_load_that_failed_notes_no_content(bench: LoadBench) -> None:
    bench.execute(TABLE)
    refused = definition(max_rejected_rows=0)
    job_id = bench.add_job(b"id,v\nx,a\n", refused, is_unread=True)

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.FAILED

    assert bench.chunk(job_id)["digest"] == UNREAD
    assert is_unread(bench.execute("SELECT fingerprint FROM adsp.jobs")[0][0])
