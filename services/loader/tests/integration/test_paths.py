"""The chunk says by which path its records went, and why not by the fastest one."""

from typing import Any

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.tests.integration.conftest import LoadBench

PLAIN = "CREATE TABLE feed.t (id int PRIMARY KEY, v text)"
TRIGGER = (
    "CREATE FUNCTION feed.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER g BEFORE INSERT ON feed.t FOR EACH ROW EXECUTE FUNCTION feed.f()"
)
VOLATILE = (
    "CREATE FUNCTION feed.f(text) RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT length($1) > 0';"
    "CREATE TABLE feed.t (id int PRIMARY KEY, v text CHECK (feed.f(v)))"
)
UPSERT = {"mode": "upsert", "key": ["id"]}


KINDS = "CREATE TABLE feed.t (id int PRIMARY KEY, v text, n numeric(8,2), d date, f text, l int, r jsonb)"


@pytest.mark.parametrize("mode", [{}, UPSERT])
@pytest.mark.parametrize(
    ("header", "options", "reason"),
    [
        ("id,n", {"convert": {"n": {"decimal": ",", "thousands": ".", "currency": ["€"]}}}, None),
        ("id,d", {"convert": {"d": {"date_format": "%d.%m.%Y"}}}, None),
        ("id,l", {"convert": {"*": {"trim": True, "empty_as_null": True}}}, None),
        ("id,x", {"add": {"f": "$file", "l": "$line", "d": "$data_date", "v": "till"}}, None),
        ("x,id", {"columns": {"x": None}, "format": {"null": ["", "n/a"], "quoted_null": True}}, None),
        ("id,d", {"convert": {"d": {"date_format": "%d.%m.%y"}}}, "converted by itself of d date"),
        ("id,v", {"convert": {"v": {"trim": True}}}, "converted by itself of v text"),
        ("id,n", {"convert": {"n": {"map": {"a": "1"}}}}, "converted by itself of n"),
        ("id,x", {"unknown_columns": {"rescue": "r"}}, "cells without a column are collected"),
    ],
)  # fmt: skip
def test_what_is_declared_about_cells_goes_by_blocks_where_it_can(
    bench: LoadBench, mode: dict[str, Any], header: str, options: dict[str, Any], reason: str | None
) -> None:
    bench.execute(KINDS)
    cells = {"id": "{n}", "n": '"1.2{n},5"', "d": "{n}.11.2026", "v": "a", "x": "b", "l": "{n}"}
    lines = [",".join(cells[name].format(n=n) for name in header.split(",")) for n in range(10, 30)]
    left_out = {} if "unknown_columns" in options else {"unknown_columns": "ignore"}
    definition = DatasetDefinition.model_validate(
        {"table": "feed.t", **mode, **left_out, **options}
    )
    chunk = bench.chunk(bench.load("\n".join([header, *lines]).encode(), definition))

    assert chunk["error_message"] is None
    assert chunk["load_path"] == ("blocks" if reason is None else "records")
    assert (reason or "None") in str(chunk["load_path_reason"])


@pytest.mark.parametrize(
    ("ddl", "options", "path", "reason"),
    [
        pytest.param(PLAIN, {}, "blocks", None, id="blocks"),
        pytest.param(PLAIN, UPSERT, "blocks", None, id="upsert"),
        pytest.param(f"{PLAIN}; {TRIGGER}", {}, "singly", "a trigger", id="trigger"),
        pytest.param(VOLATILE, {}, "singly", "not immutable", id="volatile check"),
        pytest.param("CREATE TABLE feed.t (id int, v point)", {}, "blocks", None, id="type"),
        pytest.param(
            "CREATE TABLE feed.t (id int, v point)",
            {"convert": {"v": {"trim": True}}},
            "records",
            "converted by itself of v point",
            id="converted type",
        ),
        pytest.param(
            f"{PLAIN}; CREATE UNIQUE INDEX ON feed.t (v); INSERT INTO feed.t VALUES (9, 'x')",
            UPSERT,
            "records",
            "a second unique index",
            id="two keys",
        ),
        pytest.param(
            PLAIN, {"format": {"encoding": "utf-16-le"}}, "records", "UTF-16", id="encoding"
        ),
    ],
)
def test_the_path_and_its_reason_are_on_record(
    bench: LoadBench,
    capsys: pytest.CaptureFixture[str],
    ddl: str,
    options: dict[str, Any],
    path: str,
    reason: str | None,
) -> None:
    bench.execute(ddl)
    definition = DatasetDefinition.model_validate({"table": "feed.t", **options})
    data = 'id,v\n1,"(1,2)"\n'.encode(definition.format.encoding)
    chunk = bench.chunk(bench.load(data, definition))

    assert chunk["error_message"] is None
    assert chunk["load_path"] == path
    assert (reason or "None") in str(chunk["load_path_reason"])
    assert f"load_path={path}" in capsys.readouterr().out


ITSELF = "ALTER TABLE feed.t ADD parent int REFERENCES feed.t (id)"


@pytest.mark.parametrize("options", [{}, UPSERT], ids=str)
@pytest.mark.parametrize(
    ("ddl", "encoding", "path", "most"),
    [
        (PLAIN, "utf-8", "blocks", 20),
        (PLAIN, "utf-16-le", "records", 80),
        (f"{PLAIN}; {ITSELF}", "utf-8", "singly", 160),
    ],
)
def test_rows_share_few_subtransactions(
    bench: LoadBench, ddl: str, encoding: str, path: str, most: int, options: dict[str, Any]
) -> None:
    """Each is a number of the server's, and past 64 in one load all sessions look them up."""
    bench.execute(ddl)
    definition = DatasetDefinition.model_validate(
        {"table": "feed.t", "format": {"encoding": encoding}, **options}
    )
    lines = [f"{'x' if n % 500 == 499 else ''}{n},a" for n in range(2_000)]
    chunk = bench.chunk(bench.load("\n".join(["id,v", *lines]).encode(encoding), definition))

    assert (chunk["load_path"], chunk["rows_rejected"]) == (path, 4)
    [(count,)] = bench.execute("SELECT count(DISTINCT xmin::text) FROM feed.t")
    assert count < most


COUNTS = """
CREATE TABLE feed.t ({columns});
CREATE SEQUENCE feed.s;
GRANT ALL ON ALL SEQUENCES IN SCHEMA feed TO PUBLIC;
CREATE FUNCTION feed.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
CREATE TRIGGER g BEFORE INSERT ON feed.t FOR EACH ROW EXECUTE FUNCTION feed.f()
"""


@pytest.mark.parametrize(
    ("columns", "body", "rejected"),
    [
        ("k serial CHECK (k <= 100), v int CHECK (v <> 90)", "", [90]),
        (
            "k smallint GENERATED ALWAYS AS IDENTITY (MAXVALUE 100), v int CHECK (v <> 90)",
            "",
            [90],
        ),
        (
            "v int CHECK (v <> 90)",
            "IF nextval('feed.s') % 10 = 0 THEN RETURN NULL; END IF;",
            [9, 19, 29, 39, 49, 59, 69, 79, 89, 90, 99],
        ),
    ],
)
def test_a_sequence_that_is_seen_counts_each_record_once(
    bench: LoadBench, columns: str, body: str, rejected: list[int]
) -> None:
    """What is undone and written again takes numbers: such rows have a savepoint each."""
    bench.execute(COUNTS.format(columns=columns, body=body))
    job = bench.load(
        "\n".join(["v", *map(str, range(100))]).encode(), DatasetDefinition(table="feed.t")
    )

    assert bench.chunk(job)["error_message"] is None
    assert [line - 2 for line, *_ in bench.failed_rows(job)] == rejected
    assert bench.execute("SELECT count(*) FROM feed.t") == [(100 - len(rejected),)]


@pytest.mark.parametrize("mode", [{}, UPSERT, {"mode": "replace"}], ids=str)
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"line_end": "cr"},
        {"line_end": "cr", "quote": None, "comment": "#", "blank_records": "skip"},
        {"line_end": "cr", "trailing_delimiter": True, "header": {"repeated": True}},
        {"encoding": "cp1252", "header": {"find": "id,v"}, "footer": {"pattern": r"^T,(\d+)", "rows": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_files_whose_lines_end_at_a_return_go_by_blocks(
    bench: LoadBench, mode: dict[str, Any], form: dict[str, Any]
) -> None:
    bench.execute(PLAIN)
    tail = "," if "trailing_delimiter" in form else ""
    lines = [f"id,v{tail}", *(f"{n},ä {n}{tail}" for n in range(3000))]
    if "comment" in form:
        lines[5:5] = ["# none", ","]
    if "header" in form:
        lines[0:0] = ["a title"] if "find" in form["header"] else []
        lines[9:9] = [lines[0]] if "repeated" in form["header"] else []
    lines += ["T,3000"] if "footer" in form else []
    definition = DatasetDefinition.model_validate({"table": "feed.t", **mode, "format": form})
    data = "\r".join(lines).encode(definition.format.encoding)
    chunk = bench.chunk(bench.load(data, definition, block_bytes=10_000))

    assert (chunk["error_message"], chunk["rows_read"], chunk["rows_loaded"]) == (None, 3000, 3000)
    assert (chunk["load_path"], chunk["load_path_reason"]) == ("blocks", None)
    assert bench.execute("SELECT count(*), min(v), max(length(v)) FROM feed.t") == [
        (3000, "ä 0", 6)
    ]


@pytest.mark.parametrize("mode", [{}, UPSERT], ids=str)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize(("line_end", "ending"), [("crlf", "\r\n"), ("cr", "\r")])
def test_feeds_in_cells_of_files_whose_lines_end_otherwise_go_by_blocks(
    bench: LoadBench, mode: dict[str, Any], encoding: str, line_end: str, ending: str
) -> None:
    bench.execute(PLAIN)
    cells = ["ä", "ä\nb", '"ä\n,""b"', "\n", '"\n\n"']
    lines = ["id,v", *(f"{n},{cells[n % 5]}" for n in range(3000)), ""]
    form = {"line_end": line_end, "encoding": encoding}
    definition = DatasetDefinition.model_validate({"table": "feed.t", **mode, "format": form})
    data = ending.join(lines).encode(encoding)
    chunk = bench.chunk(bench.load(data, definition, block_bytes=10_000))

    assert (chunk["error_message"], chunk["rows_loaded"]) == (None, 3000)
    assert (chunk["load_path"], chunk["load_path_reason"]) == ("blocks", None)
    loaded = bench.execute("SELECT v FROM feed.t WHERE id < 5 ORDER BY id")
    assert loaded == [("ä",), ("ä\nb",), ('ä\n,"b',), ("\n",), ("\n\n",)]


def test_blocks_that_went_record_by_record_are_counted(bench: LoadBench) -> None:
    """Here the cells of most of their lines are for Postgres to read."""
    bench.execute("CREATE TABLE feed.t (id int, v date)")
    odd = b"".join(b"%d,Jan %d 2026\n" % (n, n % 28 + 1) for n in range(300))
    plain = b"".join(b"%d,2026-01-02\n" % n for n in range(300))
    definition = DatasetDefinition(table="feed.t")
    mixed = bench.chunk(bench.load(b"id,v\n" + plain + odd, definition, block_bytes=2_000))
    all_odd = bench.chunk(bench.load(b"id,v\n" + odd, definition))

    assert mixed["load_path"] == "blocks"
    assert "blocks went record by record" in mixed["load_path_reason"]
    assert all_odd["load_path"] == "records"
    assert all_odd["load_path_reason"].startswith("1 of 1 blocks")


DOMAINS = (
    "CREATE TYPE feed.mood AS ENUM ('sad', 'ok'); CREATE DOMAIN feed.few AS int CHECK (VALUE < 9);"
    "CREATE DOMAIN feed.must AS numeric(4,1) NOT NULL;"
    "CREATE TABLE feed.t (id int, m feed.mood, f feed.few, d feed.must)"
)


def test_domains_and_enums_go_as_what_they_are_made_of(bench: LoadBench) -> None:
    bench.execute(DOMAINS)
    lines = ["1,ok,8,1.25", "2,glad,1,1", "3,sad,9,1", "4,ok,x,1", "5,,,7", "6,ok,1,", "7,no,x,"]
    lines += [f"{n},ok,1,1" for n in range(8, 20)]
    job_id = bench.load("\n".join(["id,m,f,d", *lines]).encode(), DatasetDefinition(table="feed.t"))
    chunk, failed = bench.chunk(job_id), bench.failed_rows(job_id)

    assert (chunk["load_path"], chunk["load_path_reason"]) == ("blocks", None)
    assert [(line - 1, sqlstate, column) for line, _, _, _, column, sqlstate, _ in failed] == [
        (2, "22P02", "m"),
        (3, "23514", None),
        (4, "22P02", "f"),
        (6, "23502", None),
        (7, "22P02", "m"),
    ]
    assert bench.execute("SELECT id, m::text, f, d::text FROM feed.t WHERE id < 8 ORDER BY id") == [
        (1, "ok", 8, "1.3"),
        (5, None, None, "7.0"),
    ]


CODECLESS = (
    "CREATE TYPE feed.mood AS ENUM ('sad', 'ok'); CREATE DOMAIN feed.must AS numeric(4,1) NOT NULL CHECK (VALUE > 0);"
    "CREATE TABLE feed.t (id int {key}, n bigint CHECK (n < 900), m feed.mood, a inet, parts int[], d feed.must,"
    " lasted interval)"
)
WRONG = {
    10: ("10,1,glad,10.0.0.1,{},1,1 day", "type-error", "m"),
    20: ("20,1,ok,10.0.0.1/99,{},1,1 day", "type-error", "a"),
    30: ('30,1,ok,10.0.0.1,"{1,x}",1,1 day', "type-error", "parts"),
    40: ("40,1,ok,10.0.0.1,{},-1,1 day", "check", None),
    50: ("50,1,ok,10.0.0.1,{},,1 day", "not-null", None),
    60: ("60,1,ok,10.0.0.1,{},1,1 blink", "type-error", "lasted"),
    70: ("70,x,glad,10.0.0.1,{},1,1 day", "type-error", "n"),
    80: ("80,901,ok,10.0.0.1,{},1,1 day", "check", "n"),
    90: ("90,901,glad,10.0.0.1,{},1,1 day", "type-error", "m"),
    95: ("95,1,ok,10.0.0.1,{},10000,1 blink", "type-error", "lasted"),
}


@pytest.mark.parametrize(
    ("key", "mode"),
    [
        ("", {}),
        ("PRIMARY KEY", {}),
        ("PRIMARY KEY", UPSERT),
        ("PRIMARY KEY", {"mode": "replace"}),
    ],
)
def test_types_without_a_codec_are_judged_by_blocks(
    bench: LoadBench, key: str, mode: dict[str, Any]
) -> None:
    bench.execute(CODECLESS.replace("{key}", key))
    lines = [f'{n},1,ok,10.0.0.{n},"{{{n},2}}",1.5,{n} days' for n in range(100)]
    lines = [WRONG[n][0] if n in WRONG else line for n, line in enumerate(lines)]
    data = "\n".join(["id,n,m,a,parts,d,lasted", *lines]).encode()
    definition = DatasetDefinition.model_validate({"table": "feed.t", **mode})
    job_id = bench.load(data, definition, block_bytes=2_500)
    chunk, failed = bench.chunk(job_id), bench.failed_rows(job_id)

    assert chunk["error_message"] is None
    assert (chunk["load_path"], chunk["load_path_reason"]) == ("blocks", None)
    assert [(line - 2, code, column) for line, _, _, code, column, _, _ in failed] == [
        (n, code, column) for n, (_, code, column) in WRONG.items()
    ]
    assert bench.execute(
        "SELECT count(*), sum(parts[1]), host(max(a)), max(lasted)::text FROM feed.t"
    ) == [(90, sum(n for n in range(100) if n not in WRONG), "10.0.0.99", "99 days")]
