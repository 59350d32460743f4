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
        pytest.param("CREATE TABLE feed.t (id int, v point)", {}, "records", "v point", id="type"),
        pytest.param(
            f"{PLAIN}; CREATE UNIQUE INDEX ON feed.t (v)",
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
