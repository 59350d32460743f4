"""What a type's input function refuses is the row's fault, in each class; a sequence at its end is the job's."""

from typing import Any

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.rejects.rejection import is_row_error, may_be_row_error
from services.loader.tests.integration.conftest import LoadBench

DOCS = (
    "CREATE TABLE feed.t (id int PRIMARY KEY, words tsvector, wanted tsquery, path jsonpath,"
    " kin regtype)"
)
DATA = b"""id,words,wanted,path,kin
1,fat cat,fat & cat,$.a,int4
2,'open,fat,$.a,int4
3,fat,'open,$.a,int4
4,fat,fat &,$.a,int4
5,fat,fat,$.[,int4
6,fat,fat,$.a,no_such_type
7,a:1,a,$,text
"""
WAYS: list[dict[str, Any]] = [
    {"mode": "append"},
    {"mode": "upsert", "key": ["id"]},
    {"mode": "replace"},
]


def load(bench: LoadBench, data: bytes, **changes: Any) -> dict[str, Any]:
    """Load into feed.t; return the chunk, with the failed rows."""
    definition = DatasetDefinition.model_validate({"table": "feed.t", **changes})
    job_id = bench.load(data, definition)
    failed = [(line, *rest) for line, _, _, _, *rest in bench.failed_rows(job_id)]
    return {**bench.chunk(job_id), "failed": failed}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way["mode"]))
def test_input_errors_of_class_42_are_failed_rows_with_the_words_of_postgres(
    bench: LoadBench, way: dict[str, Any]
) -> None:
    bench.execute(DOCS)

    chunk = load(bench, DATA, **way)

    assert chunk["state"] == "done", chunk["error_message"]
    assert chunk["failed"] == [
        (3, "words", "42601", 'syntax error in tsvector: "\'open"'),
        (4, "wanted", "42601", 'syntax error in tsquery: "\'open"'),
        (5, "wanted", "42601", 'no operand in tsquery: "fat &"'),
        (6, "path", "42601", 'syntax error at or near "[" of jsonpath input'),
        (7, "kin", "42704", 'type "no_such_type" does not exist'),
    ]
    assert bench.execute("SELECT id FROM feed.t ORDER BY 1") == [(1,), (7,)]


def test_they_are_type_errors(bench: LoadBench) -> None:
    bench.execute(DOCS)

    load(bench, DATA)

    codes = "SELECT DISTINCT stage, error_code FROM adsp.failed_rows"
    assert bench.execute(codes) == [("convert", "type-error")]


@pytest.mark.parametrize(
    ("column_type", "good", "bad", "state"),
    [
        ("tsvector", b"a b", b"'open", "42601"),
        ("tsvector[]", b"{a}", b"{'open}", "42601"),
        ("regtype", b"int4", b"int4 [ (", "42601"),  # its parser cannot report softly
        ("regtype", b"int4", b"a.b.c.d", "42601"),
        ("regclass", b"pg_class", b"no_such_table", "42P01"),
        ("regclass", b"pg_class", b"pg_toast.pg_toast_1255", "42501"),
        ("regnamespace", b"pg_catalog", b"no_such_schema", "3F000"),
        ("regproc", b"now", b"no_such_function", "42883"),
        ("gtsvector", b"", b"x", "0A000"),
    ],
)
def test_it_is_so_with_one_such_column_in_blocks_of_many_rows(
    bench: LoadBench, column_type: str, good: bytes, bad: bytes, state: str
) -> None:
    bench.execute(f"CREATE TABLE feed.t (id int PRIMARY KEY, v {column_type})")
    lines = [b"%d,%b\n" % (i, bad if i in {7, 400} else good) for i in range(1000)]

    chunk = load(bench, b"id,v\n" + b"".join(lines))

    assert (chunk["state"], chunk["rows_loaded"]) == ("done", 998), chunk["error_message"]
    assert [(line, name, found) for line, name, found, _ in chunk["failed"]] == [
        (9, "v", state),
        (402, "v", state),
    ]


def test_it_is_so_with_the_types_of_an_extension(bench: LoadBench) -> None:
    bench.execute("CREATE EXTENSION ltree SCHEMA feed")
    bench.execute("CREATE TABLE feed.t (id int PRIMARY KEY, v feed.ltree, q feed.lquery)")

    chunk = load(bench, b"id,v,q\n1,a.b,a.*\n2,a..b,a\n3,a,a{2\n4,c,*.c\n")

    assert chunk["state"] == "done", chunk["error_message"]
    assert [row[:3] for row in chunk["failed"]] == [(3, "v", "42601"), (4, "q", "42601")]


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("PERFORM no_such_function()", "42883"),
        ("PERFORM 'open'::tsquery, '''x'::tsvector", "42601"),
    ],
)
def test_an_error_of_class_42_in_a_trigger_fails_the_job(
    bench: LoadBench, body: str, state: str
) -> None:
    bench.execute(DOCS)
    bench.execute(
        "CREATE FUNCTION feed.broken() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {body}; RETURN NEW; END $$;"
        " CREATE TRIGGER broken BEFORE INSERT ON feed.t FOR EACH ROW EXECUTE FUNCTION feed.broken()"
    )

    chunk = load(bench, DATA)

    assert (chunk["state"], chunk["error_code"]) == ("failed", "load-fault")
    assert f"SQLSTATE {state}" in chunk["error_message"]
    assert chunk["failed"] == []


def test_an_internal_error_may_come_from_an_input_function_and_a_lost_connection_may_not() -> None:
    """Some extensions' types name no SQLSTATE of their own; the single insert asks for the error's place."""
    assert may_be_row_error("XX000")
    assert not is_row_error("XX000")
    for state in (None, "08006", "40P01", "53100", "57014", "2200H"):
        assert not may_be_row_error(state)


SERIAL = (
    "CREATE TABLE feed.t (id serial PRIMARY KEY, v text CHECK (v <> 'bad'));"
    "SELECT setval('feed.t_id_seq', 2147483645)"
)


@pytest.mark.parametrize("way", [WAYS[0], WAYS[2], {"mode": "append", "atomic": False}], ids=str)
def test_a_sequence_at_its_end_fails_the_job_once_and_says_what_to_run(
    bench: LoadBench, way: dict[str, Any]
) -> None:
    bench.execute(SERIAL)

    chunk = load(bench, b"v\na\nb\nc\nd\n", **way)

    assert (chunk["state"], chunk["error_code"]) == ("failed", "sequence-exhausted")
    assert chunk["error_message"] == (
        'nextval: reached maximum value of sequence "t_id_seq" (2147483647) (SQLSTATE 2200H); '
        'nothing of this chunk was loaded: run ALTER TABLE "feed"."t" ALTER COLUMN id TYPE bigint; '
        "ALTER SEQUENCE feed.t_id_seq AS bigint NO MAXVALUE as the owner of feed.t, then trigger the "
        "job again"
    )
    assert (chunk["attempt"], chunk["failed"]) == (1, [])
    assert bench.execute("SELECT count(*) FROM feed.t") == [(0,)]


@pytest.mark.parametrize(
    "table",
    [
        SERIAL,
        "CREATE TABLE feed.t (id int GENERATED BY DEFAULT AS IDENTITY (START 2147483646), v text)",
        "CREATE TABLE feed.t (id smallint GENERATED ALWAYS AS IDENTITY (START 32766), v text)",
        "CREATE TABLE feed.t (id bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 2), v text)",
        (
            "CREATE SEQUENCE feed.down AS smallint INCREMENT -1 MINVALUE -2 START -1;"
            "CREATE TABLE feed.t (id bigint DEFAULT nextval('feed.down'), v text)"
        ),
    ],
)
def test_after_what_it_says_the_same_file_loads(bench: LoadBench, table: str) -> None:
    bench.execute(table)
    said = load(bench, b"v\na\nb\nc\nd\n")["error_message"]
    run = said.split(": run ")[1].split(" as the owner")[0]

    bench.execute(run)
    chunk = load(bench, b"v\na\nb\nc\nd\n")

    assert (chunk["state"], chunk["rows_loaded"]) == ("done", 4)
