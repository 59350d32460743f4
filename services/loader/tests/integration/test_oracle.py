"""Promise 3: the loader leaves the table and the failed rows that one INSERT per record would leave."""

import gzip
from contextlib import closing
from uuid import UUID

import psycopg2
import pytest
import zstandard
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from libs.common.datasets import DatasetDefinition
from services.loader.session import fix_meaning
from services.loader.tests.integration.cases import CASES, Case
from services.loader.tests.integration.conftest import LoadBench
from services.loader.tests.integration.oracle import Refusal, Verdict, judge_file

CAP = 1024
RUNS = [
    pytest.param(case, mode, id=f"{case.name}-{mode}")
    for case in CASES
    for mode in ("append", "upsert")
    if mode == "append" or case.key
]


def plain(data: bytes) -> bytes:
    """Return a file's bytes decompressed."""
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.decompress(data)
    return data


def make_tables(bench: LoadBench, case: Case) -> None:
    """Make the table twice, as `fast` for the loader and as `slow` for the oracle."""
    bench.renew_schema()
    for name in ("fast", "slow"):
        bench.execute((case.table + ";" + case.seed).replace("{t}", name))


def definition_of(case: Case, mode: str, table: str) -> DatasetDefinition:
    """Return the dataset's definition of a case."""
    key = list(case.key or ()) if mode == "upsert" else []
    return DatasetDefinition.model_validate(
        {"table": f"feed.{table}", "mode": mode, "key": key, **case.options}
    )


def run_oracle(bench: LoadBench, case: Case, definition: DatasetDefinition) -> Verdict:
    """Load a file into feed.slow record by record, in the loader's session settings."""
    with closing(psycopg2.connect(bench.database.dsn_for("loader"))) as connection:
        fix_meaning(connection, definition.time_zone)
        verdict = judge_file(
            connection,
            "slow",
            plain(case.data),
            definition,
            cap=CAP,
            nulls_are_equal="NULLS NOT DISTINCT" in case.table,
        )
        connection.commit()
    return verdict


def contents(bench: LoadBench, table: str, hidden: str | None) -> list[tuple[object, ...]]:
    """Return every row as text; of a hidden column only the order counts."""
    if hidden is None:
        return bench.execute(f"SELECT t::text FROM feed.{table} AS t ORDER BY 1")
    return bench.execute(
        f"SELECT (to_jsonb(t) - '{hidden}')::text, rank() OVER (ORDER BY {hidden})"
        f" FROM feed.{table} AS t ORDER BY 1"
    )


def refusals_on_record(bench: LoadBench, job_id: UUID) -> list[Refusal]:
    """Return the failed rows of a job as the oracle words them."""
    return [
        Refusal(line, offset, raw, code, state, message.split(": ")[0] if state else None)
        for line, offset, raw, code, _, state, message in bench.failed_rows(job_id)
    ]


def same_messages(refusals: list[Refusal]) -> list[Refusal]:
    """Blank out the table's name, and what a message says after a colon."""
    return [
        Refusal(
            r.line_number,
            r.byte_offset,
            r.raw,
            r.error_code,
            r.sqlstate,
            r.message.replace("slow", "fast").split(": ")[0] if r.message else None,
        )
        for r in refusals
    ]


def assert_same(bench: LoadBench, case: Case, mode: str, **settings: int) -> None:
    """Load a case both ways and compare everything."""
    make_tables(bench, case)

    job_id = bench.load(
        case.data, definition_of(case, mode, "fast"), max_record_bytes=CAP, **settings
    )
    verdict = run_oracle(bench, case, definition_of(case, mode, "slow"))

    chunk = bench.chunk(job_id)
    assert chunk["state"] == "done", chunk["error_message"]
    assert same_messages(refusals_on_record(bench, job_id)) == same_messages(verdict.refusals)
    assert contents(bench, "fast", case.hidden) == contents(bench, "slow", case.hidden)
    counts = (
        chunk["rows_read"],
        chunk["rows_loaded"],
        chunk["rows_rejected"],
        chunk["rows_superseded"],
    )
    assert counts == (
        verdict.accepted + len(verdict.refusals),
        verdict.accepted - verdict.superseded,
        len(verdict.refusals),
        verdict.superseded,
    )


@pytest.mark.parametrize(("case", "mode"), RUNS)
def test_agrees_with_one_insert_per_record(shared_bench: LoadBench, case: Case, mode: str) -> None:
    assert_same(shared_bench, case, mode)


@pytest.mark.parametrize("mode", ["append", "upsert"])
@pytest.mark.parametrize("name", ["scattered duplicates", "every tenth row bad", "foreign key"])
def test_the_size_of_blocks_does_not_matter(shared_bench: LoadBench, name: str, mode: str) -> None:
    [case] = [case for case in CASES if case.name == name]

    assert_same(shared_bench, case, mode, block_rows=7, block_bytes=100)


PLAIN_CELLS = {
    "int NOT NULL": ["1", "2", "-3", "", "07", "x", "99999999999"],
    "numeric(6,2) CHECK (column_1 >= 0)": ["1", "2.5", "3.25", "-1", "9999.99", "9999.999", "1e2"],
    "timestamptz": ["2026-01-02 03:04:05+00", "2026-01-02", "2026-02-30 00:00:00", "", "now-ish"],
    "varchar(4)": ["abc", '"a,b"', '""', "", "abcd ", "abcde"],
}


@st.composite
def mostly_plain_cases(draw: st.DrawFn) -> Case:
    """Make a file whose lines are mostly what the vectorised way takes, with a few that it does not."""
    has_key = draw(st.booleans())
    columns = ", ".join(f"column_{place} {kind}" for place, kind in enumerate(PLAIN_CELLS))
    table = f"CREATE TABLE feed.{{t}} (id int {'PRIMARY KEY' if has_key else ''}, {columns})"
    lines = []
    for number in range(draw(st.integers(1, 40))):
        cells = [
            values[0] if draw(st.integers(0, 9)) else draw(st.sampled_from(values))
            for values in PLAIN_CELLS.values()
        ]
        key = number if draw(st.integers(0, 19)) else draw(st.integers(0, 40))
        odd = draw(st.sampled_from([None] * 30 + ["1,2", "", 'a"b,1,2,3,4', '1,2,3,"x\ny",5']))
        lines.append(odd if odd is not None else ",".join([str(key), *cells]))
    header = ",".join(["id", *(f"column_{place}" for place in range(len(PLAIN_CELLS)))])
    return Case("mostly plain", "\n".join([header, *lines, ""]).encode(), table, options={})


@settings(
    max_examples=80,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=mostly_plain_cases(), block_bytes=st.sampled_from([60, 400, 1 << 20]))
def test_the_vectorised_way_agrees_too(
    shared_bench: LoadBench, case: Case, block_bytes: int
) -> None:
    note(f"{case.table}\n{case.data!r}")

    assert_same(shared_bench, case, "append", block_bytes=block_bytes)
    assert_same(shared_bench, case, "replace", block_bytes=block_bytes)


def test_there_are_enough_nasty_files() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40


TYPES: dict[str, list[bytes]] = {
    "int": [b"1", b"2", b"3", b" 4", b"99999999999", b"x", b"1.5"],
    "smallint NOT NULL": [b"1", b"2", b"40000", b"-1"],
    "numeric(4,1) CHECK (numeric_0 < 50)": [b"1", b"49.96", b"50", b"1000", b"NaN", b"1e2"],
    "varchar(4)": [b"abc", b"abcd ", b"abcde", b"\\N", b"\\.", b"a\tb", "äöüß".encode()],
    "date": [b"2026-01-01", b"01/02/2026", b"2026-02-30", b"13/13/2026", b"infinity"],
    "boolean": [b"t", b"no", b"maybe"],
    "text UNIQUE": [b"a", b"b", b"c", b"d", b"A", b"'", b"%s"],
    "jsonb": [b"{}", b"[1]", b"{", b"1"],
    "int REFERENCES feed.{t}_parent": [b"1", b"2", b"3", b"9"],
    "int GENERATED BY DEFAULT AS IDENTITY": [b"1", b"2", b"x"],
}
ODD_LINES = [b"", b",", b"1", b'"', b'"a"b,c', b'a"b', b"\xff,1", b"\0", b"1,2,3,4,5,6,7", b"\\."]


@st.composite
def generated_cases(draw: st.DrawFn) -> Case:
    """Make a table of a few columns and a file that fits it more or less."""
    kinds = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=4))
    names = [f"{kind.split('(')[0].split()[0]}_{i}" for i, kind in enumerate(kinds)]
    columns = [
        f"{name} {kind.replace('numeric_0', name)}" for name, kind in zip(names, kinds, strict=True)
    ]
    table = (
        "CREATE TABLE feed.{t}_parent (id int PRIMARY KEY);"
        " INSERT INTO feed.{t}_parent VALUES (1), (2);"
        f" CREATE TABLE feed.{{t}} (id int PRIMARY KEY, {', '.join(columns)})"
    )
    keys = st.integers(1, 30).map(b"%d".__mod__) | st.sampled_from([b"", b"x", b" 7", b"07"])
    cells = [st.sampled_from([*TYPES[kind], b"", b'""']) for kind in kinds]
    row = st.tuples(keys, *cells)
    ending = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])
    lines = draw(st.lists(st.tuples(row, st.sampled_from([b"", b'"']), ending), max_size=60))
    odd = draw(st.dictionaries(st.integers(0, 60), st.sampled_from(ODD_LINES), max_size=3))
    data = ",".join(["id", *names]).encode() + b"\n"
    for place, (values, quote, end) in enumerate(lines):
        data += odd[place] + end if place in odd else b""
        data += (
            b",".join(quote + value + quote if value != b'""' else value for value in values) + end
        )
    return Case("generated", data, table, options={"columns": {}})


@settings(
    max_examples=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    case=generated_cases(),
    mode=st.sampled_from(["append", "upsert"]),
    block_rows=st.sampled_from([5, 16, 20_000]),
    block_bytes=st.sampled_from([40, 200, 1 << 20]),
)
def test_agrees_on_generated_tables_and_files(
    shared_bench: LoadBench, case: Case, mode: str, block_rows: int, block_bytes: int
) -> None:
    note(f"{case.table}\n{case.data!r}")

    assert_same(shared_bench, case, mode, block_rows=block_rows, block_bytes=block_bytes)
