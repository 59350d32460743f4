"""Every option of a format gives what one INSERT per record gives, by the block path where a look at a line will do."""

from typing import Any
from uuid import UUID

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.tests.integration.cases import Case
from services.loader.tests.integration.comparison import compare_case
from services.loader.tests.integration.conftest import LoadBench

pytestmark = pytest.mark.usefixtures("compiled_before")

TABLE = "CREATE TABLE feed.{t} (id int PRIMARY KEY, v text, n int)"
MODES = ("append", "chunks", "upsert", "replace")
LINES = b"".join(b"%d,v%d,\n" % (n, n) for n in range(200)) + b"x,bad,1\n1,again,2\n"
HEADED = b"id,v,n\n" + LINES


def _with(sign: bytes) -> bytes:
    return HEADED.replace(b",", sign)


BY_BLOCKS: dict[str, tuple[dict[str, Any], bytes]] = {
    "no quotes": ({"quote": None}, HEADED + b'300,5" pipe,\n301,"a,\n302,"a",7\n'),
    "control-A": ({"delimiter": "\x01", "quote": None}, _with(b"\x01") + b'300\x01"\x01\n'),
    "escapes that do not occur": ({"escape": "\\"}, HEADED + b'300,"a""b",\n'),
    "escapes in their lines": (
        {"escape": "\\"},
        HEADED
        + b'300,"a\\"b",\n301,a\\,b,\n302,\\N,\\N\n303,"\\N",\n304,a\\nb,\\1\n305,\\x,\\7\n306,"",\n307,\\\\N,',
    ),
    "comments": ({"comment": "#"}, b"#a,b\n" + HEADED + b"#,,,,\n300,#,\n#x\n301,a,1,2\n"),
    "repeated header": ({"header": {"repeated": True}}, HEADED + b"id,v,n\n300,id,\nid,v,n"),
    "ghosts": ({"blank_records": "skip"}, HEADED + b',,\n,"",\n300,,\n,,1\n,,,,\n'),
    "trailing delimiter": (
        {"trailing_delimiter": True},
        HEADED.replace(b"\n", b",\n") + b"300,a,,\n301,,\n302,a,1,2,\n",
    ),
    "footer": ({"footer": {"lines": 2}}, HEADED + b'T,200\n"total\n'),
    "preamble": ({"header": {"skip_before": 2, "skip_after": 1}}, b"x\n\n" + HEADED + b"300,,\n"),
    "no header": ({"header": {"lines": 0, "names": ["id", "v", "n"]}}, LINES),
    "lf": ({"line_end": "lf"}, HEADED),
    "crlf": ({"line_end": "crlf"}, HEADED.replace(b"\n", b"\r\n")),
}
BY_RECORDS: dict[str, tuple[dict[str, Any], bytes]] = {
    "escapes": (
        {"escape": "\\"},
        HEADED
        + b'300,"a\\"b",\n301,a\\,b,\n302,\\N,\\N\n303,"\\N",\n304,a\\\nb,\n305,\\0,\n306,\\',
    ),
    "two bars": ({"delimiter": "||"}, _with(b"||") + b'300||a|b||\n301||"||"||\n302|||||1\n'),
    "lf, and a return": ({"line_end": "lf"}, HEADED + b"300,a\rb,\n301,c,\r\n"),
    "crlf, and feeds": ({"line_end": "crlf"}, HEADED.replace(b"\n", b"\r\n") + b"300,a\nb,\r\n"),
    "cr": ({"line_end": "cr"}, HEADED.replace(b"\n", b"\r") + b"300,a\nb,\r"),
    "comments with quotes": ({"comment": "#"}, HEADED + b'#"\n300,a,\n# it"s\n301,b,\n#"a\nb"\n'),
    "a delimiter less": ({"trailing_delimiter": True}, HEADED + b"300,a,1\n301,a,1,\n"),
    "lines of JSON": (
        {"type": "jsonl"},
        (
            b'{"id": 1, "v": "a", "n": null}\n{"v": {"x": [1]}, "id": 2}\n\n{"id": 3.5}\n{"id": 1}\n{"x": 1}\n'
            b'{"id": 4, "v": "\\u0000"}\nno\n{"id": 5, "n": 7, "v": "\\u00e9"}\n{"id": 6, "v": "a\rb"}\r\n'
        ),
    ),
    "Ctrl-Z": ({}, HEADED + b"300,a,1\n\x1a"),
}
NAMES = [*BY_BLOCKS, *BY_RECORDS]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_one_insert_per_record(shared_bench: LoadBench, name: str, mode: str) -> None:
    form, data = (BY_BLOCKS | BY_RECORDS)[name]
    case = Case(name, data, TABLE, options={"format": form})

    compare_case(shared_bench, case, mode)
    compare_case(shared_bench, case, mode, block_bytes=100, block_rows=7)


@pytest.mark.parametrize("name", BY_BLOCKS)
def test_a_look_at_a_line_is_enough(bench: LoadBench, name: str) -> None:
    form, data = BY_BLOCKS[name]
    bench.execute(TABLE.replace("{t}", "t"))

    chunk = bench.chunk(bench.load(data, _definition(form)))

    assert (chunk["load_path"], chunk["load_path_reason"]) == ("blocks", None)
    assert chunk["rows_loaded"] >= 200


def _definition(form: dict[str, Any]) -> DatasetDefinition:
    return DatasetDefinition.model_validate({"table": "feed.t", "format": form})


def _reported(bench: LoadBench, job_id: UUID) -> dict[str, dict[str, int]]:
    """Return a chunk's warnings: the counts of each code."""
    return {each["code"]: each["counts"] for each in bench.chunk(job_id)["warnings"]}


@pytest.mark.parametrize("block_bytes", [40, 1 << 20])
def test_what_is_skipped_is_counted_whatever_the_path(bench: LoadBench, block_bytes: int) -> None:
    bench.execute("CREATE TABLE feed.t (id int PRIMARY KEY, v text)")
    form = {
        "comment": "#",
        "blank_records": "skip",
        "header": {"repeated": True},
        "footer": {"lines": 2},
    }
    body = b'#one\n1,a\n,\nid,v\n2,b\n# it\'s "two\n3,"c"\n\n#three\n,\n4,d\n1,again\nend\n2\n'

    job_id = bench.load(b"#zero\nid,v\n" + body, _definition(form), block_bytes=block_bytes)

    counts = {"comments": 3, "blank_records": 2, "repeated_headers": 1, "footer_lines": 2}
    assert _reported(bench, job_id) == {"lines-skipped": counts}
    chunk = bench.chunk(job_id)
    assert (chunk["rows_read"], chunk["rows_loaded"], chunk["rows_rejected"]) == (5, 4, 1)


@pytest.mark.parametrize(("count", "error"), [(3, None), (2, "trailer-mismatch")])
def test_a_footer_that_counts_other_records_leaves_nothing(
    bench: LoadBench, count: int, error: str | None
) -> None:
    """Failed rows are records; comments are none."""
    bench.execute("CREATE TABLE feed.t (id int PRIMARY KEY, v text)")
    form = {"footer": {"pattern": r"^T,0*(\d+)$", "rows": 1}, "comment": "#"}

    job_id = bench.load(b"id,v\n1,a\n#no\nx,b\n3,c\nT,00%d\n" % count, _definition(form))

    assert bench.chunk(job_id)["error_code"] == error
    assert bench.execute("SELECT count(*) FROM feed.t") == [(0 if error else 2,)]
