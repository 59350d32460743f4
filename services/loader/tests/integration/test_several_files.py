"""A delivery of several files is loaded as one file of all their records, and accounted file by file."""

import gzip
import os
from contextlib import closing
from random import Random
from typing import Any
from uuid import UUID

import pytest

from libs.common.csv.places import from_place
from libs.common.datasets.definition import DatasetDefinition
from libs.common.sources.fingerprints import fingerprint
from libs.common.sources.regular_files import identity
from services.loader.chunk_loader import Outcome
from services.loader.savepoint import SavepointCursor
from services.loader.tests.integration.conftest import LoadBench

TABLES = {
    "by blocks": "CREATE TABLE feed.t (id int {key}, v text, CHECK (v <> 'no'))",
    "by records": "CREATE TABLE feed.t (id int {key}, v text, n bigserial, CHECK (v <> 'no'))",
}
HEADER = b"id,v\n"


def add_files(bench: LoadBench, contents: list[bytes], definition: DatasetDefinition) -> UUID:
    """Put a running job over several files on record, of which the first was loaded by another job."""
    job_id = bench.add_job(b"", definition)
    bench.execute(
        "UPDATE adsp.jobs SET source_path = NULL, source_mtime_ns = NULL WHERE id = %s", str(job_id)
    )
    cells: list[str] = []
    for number, content in enumerate([HEADER + b"99,other\n", *contents]):
        path = bench.folder / f"{job_id}-{number}.csv"
        path.write_bytes(content)
        seen = identity(path)
        cells, end = bench.header_of(path, definition)
        bench.execute(
            "INSERT INTO adsp.job_files (job_id, number, path, size, mtime_ns, inode, fingerprint, duplicate_of,"
            " header_end) VALUES (%s, %s, %s, %s, %s, '', %s, %s, %s)",
            str(job_id),
            number,
            str(path),
            seen.size,
            seen.mtime_ns,
            fingerprint(path),
            None if number else str(job_id),
            end,
        )
    bench.execute("UPDATE adsp.jobs SET header = %s WHERE id = %s", cells, str(job_id))
    return job_id


def counts(bench: LoadBench, job_id: UUID) -> list[tuple[int, ...]]:
    """Return what is on record of each file: read, loaded, rejected, superseded."""
    return bench.execute(
        "SELECT rows_read, rows_loaded, rows_rejected, rows_superseded FROM adsp.job_files"
        " WHERE job_id = %s ORDER BY number",
        str(job_id),
    )


def random_lines(random: Random, rows: int, *, keys: int) -> list[bytes]:
    """Return records of which some are refused: for their type, their shape, a check or a repeated key."""
    kinds = [b"%d,v%d", b"%d,v%d", b"%d,v%d", b"x%d,%d", b"%d,a,%d", b'%d,"q%d"', b"%d,no"]
    lines = []
    for place in range(rows):
        kind = random.choice(kinds)
        values = (random.randrange(keys), place)[: kind.count(b"%d")]
        lines.append(kind % values)
    return lines


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("mode", ["append", "append by key", "upsert", "replace"])
@pytest.mark.parametrize("seed", range(3))
def test_several_files_are_loaded_as_one_of_all_their_records(
    bench: LoadBench, table: str, mode: str, seed: int
) -> None:
    random = Random(f"{seed} {mode}")
    word = mode.partition(" ")[0]
    is_keyed = mode in {"upsert", "append by key"}
    definition = DatasetDefinition.model_validate(
        {"table": "feed.t", "mode": word, "key": ["id"] if word == "upsert" else []}
    )
    parts = [random_lines(random, rows, keys=60) for rows in (40, 0, 1, 90)]
    files = [HEADER + b"\n".join(lines) for lines in parts]
    files[0] += b"\n"
    files[3] = gzip.compress(files[3])
    small: dict[str, Any] = {"block_rows": 7, "block_bytes": 200}
    before = TABLES[table].format(key="PRIMARY KEY" if is_keyed else "")
    contents = "SELECT id, v FROM feed.t ORDER BY 1, 2"

    bench.execute(before)
    lines = [line for part in parts for line in part]
    one = bench.load(HEADER + b"\n".join(lines), definition, **small)
    expected = bench.execute(contents)
    bench.renew_schema()
    bench.execute(before)
    several = add_files(bench, files, definition)
    with closing(bench.loader(**small)) as loader:
        assert loader.load_chunk(several, 0) is Outcome.LOADED

    assert bench.execute(contents) == expected
    total, of_one = bench.chunk(several), bench.chunk(one)
    names = ("rows_read", "rows_loaded", "rows_rejected", "rows_superseded")
    assert [total[name] for name in names] == [of_one[name] for name in names]
    by_file = counts(bench, several)
    assert [sum(column) for column in zip(*by_file, strict=True)] == [total[name] for name in names]
    assert [read for read, *_ in by_file] == [0, 40, 0, 1, 90]
    # A refused record is named by its file and its line there, in the order of the delivery.
    firsts = [0, 0, 40, 40, 41]
    failed = [(from_place(line), raw, *rest) for line, _, raw, *rest in bench.failed_rows(several)]
    assert [(firsts[file] + line, *rest) for (file, line), *rest, _ in failed] == [
        (line, *rest) for line, _, *rest, _ in bench.failed_rows(one)
    ]


def test_the_only_new_file_of_a_delivery_is_accounted_too(bench: LoadBench) -> None:
    """A folder that gets a file a day: all others were loaded before."""
    bench.execute(TABLES["by blocks"].format(key=""))
    definition = DatasetDefinition.model_validate({"table": "feed.t"})
    job_id = add_files(bench, [HEADER + b"1,a\nx,b\n2,c\n"], definition)

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.LOADED

    assert counts(bench, job_id) == [(0, 0, 0, 0), (3, 2, 1, 0)]


@pytest.mark.parametrize("table", TABLES)
def test_a_message_names_the_bytes_of_the_record_in_its_own_file(
    bench: LoadBench, table: str
) -> None:
    bench.execute(TABLES[table].format(key=""))
    definition = DatasetDefinition.model_validate({"table": "feed.t"})
    job_id = add_files(bench, [HEADER + b"1,a\n", HEADER + b'2,a"b\n3,a\0b\n4,\xff\n'], definition)

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.LOADED

    messages = [row[-1] for row in bench.failed_rows(job_id)]
    places = ("(bytes 5 to 11)", "at offset 14", "at offset 19")
    assert [place in message for place, message in zip(places, messages, strict=True)] == [True] * 3


def test_a_delivery_with_too_many_failed_rows_loads_none_of_its_files(bench: LoadBench) -> None:
    bench.execute(TABLES["by blocks"].format(key=""))
    definition = DatasetDefinition.model_validate({"table": "feed.t", "max_rejected_rows": 2})
    job_id = add_files(
        bench, [HEADER + b"1,a\nx,b\n", HEADER + b"2,a\ny,b\nz,c\n", HEADER], definition
    )

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.FAILED

    assert bench.execute("SELECT FROM feed.t") == []
    assert counts(bench, job_id) == [(0, 0, 0, 0), (1, 0, 1, 0), (2, 0, 2, 0), (0, 0, 0, 0)]


def test_a_file_that_changed_since_the_plan_stops_the_delivery(bench: LoadBench) -> None:
    bench.execute(TABLES["by blocks"].format(key=""))
    definition = DatasetDefinition.model_validate({"table": "feed.t"})
    job_id = add_files(bench, [HEADER + b"1,a\n", HEADER + b"2,a\n"], definition)
    (bench.folder / f"{job_id}-2.csv").write_bytes(HEADER + b"2,a\n3,b\n")

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.FAILED

    assert bench.chunk(job_id)["error_code"] == "source-changing"
    assert bench.execute("SELECT FROM feed.t") == []


def test_a_file_that_was_swapped_under_its_size_and_time_stops_the_delivery(
    bench: LoadBench,
) -> None:
    bench.execute(TABLES["by blocks"].format(key=""))
    definition = DatasetDefinition.model_validate({"table": "feed.t"})
    job_id = add_files(bench, [HEADER + b"1,a\n", HEADER + b"2,a\n"], definition)
    path = bench.folder / f"{job_id}-2.csv"
    status = path.stat()
    path.write_bytes(HEADER + b"2,b\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.FAILED

    assert bench.chunk(job_id)["error_code"] == "source-changing"
    assert bench.execute("SELECT FROM feed.t") == []


@pytest.mark.parametrize("mode", [{}, {"mode": "upsert", "key": ["id"]}])
@pytest.mark.parametrize(("last", "error"), [(0, None), (1, "trailer-mismatch")])
def test_each_file_has_a_footer_of_its_own(
    bench: LoadBench, mode: dict[str, Any], last: int, error: str | None
) -> None:
    """Records that are refused, or superseded by a later file, are counted in theirs."""
    bench.execute(TABLES["by blocks"].format(key="PRIMARY KEY"))
    footer = {"pattern": r"^T,(\d+)", "rows": 1}
    definition = DatasetDefinition.model_validate(
        {"table": "feed.t", "format": {"footer": footer, "comment": "#"}, **mode}
    )
    contents = [
        HEADER + b"1,a\n2,no\nT,2\n",
        gzip.compress(HEADER + b"# none\nT,0\n"),
        HEADER + b"1,b\nx,c\n3,d\nT,%d" % (3 + last),
    ]
    job_id = add_files(bench, contents, definition)
    with closing(bench.loader()) as loader:
        loader.load_chunk(job_id, 0)

    chunk = bench.chunk(job_id)
    assert chunk["error_code"] == error
    if error is None:
        assert [read for read, *_ in counts(bench, job_id)[1:]] == [2, 0, 3]
        [skipped] = chunk["warnings"]
        assert skipped["counts"] == {"comments": 1, "footer_lines": 3}
    else:
        assert f"{job_id}-3.csv has 3 records, but its footer says 4" in chunk["error_message"]
        assert bench.execute("SELECT count(*) FROM feed.t") == [(0,)]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("repeated", [(), (7, 150, 299)], ids=["certain", "with repeated keys"])
def test_files_that_are_copied_together_are_accounted_one_by_one(
    bench: LoadBench, table: str, repeated: tuple[int, ...]
) -> None:
    """A key that comes again breaks the COPY of all of them."""
    bench.execute(TABLES[table].format(key="PRIMARY KEY"))
    definition = DatasetDefinition.model_validate({"table": "feed.t"})
    contents = [
        HEADER + b"%d,a\n%d,b\n" % (2 * n, 0 if n in repeated else 2 * n + 1) for n in range(300)
    ]
    job_id = add_files(bench, contents, definition)

    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.LOADED

    refused = [int(n in repeated) for n in range(300)]
    assert counts(bench, job_id)[1:] == [(2, 2 - bad, bad, 0) for bad in refused]
    files = [from_place(line) for line, *_ in bench.failed_rows(job_id)]
    assert files == [(n + 1, 3) for n in repeated]
    assert bench.execute("SELECT count(*) FROM feed.t") == [(600 - len(repeated),)]


def test_small_files_share_a_copy(bench: LoadBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.execute(TABLES["by blocks"].format(key="PRIMARY KEY"))
    contents = [HEADER + b"%d,a\n" % n for n in range(20)]
    job_id = add_files(bench, contents, DatasetDefinition.model_validate({"table": "feed.t"}))
    copies: list[str] = []
    copy = SavepointCursor.copy_expert

    def count(cursor: SavepointCursor, statement: Any, *rest: Any, **more: Any) -> None:
        copies.append(str(statement))
        copy(cursor, statement, *rest, **more)

    monkeypatch.setattr(SavepointCursor, "copy_expert", count)
    with closing(bench.loader()) as loader:
        assert loader.load_chunk(job_id, 0) is Outcome.LOADED

    assert len(copies) == 1
    assert bench.execute("SELECT count(*) FROM feed.t") == [(20,)]
