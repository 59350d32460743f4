"""What is sent in binary form is what Postgres makes of the text: promise 3 for the block path."""

from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.csv.dialect import FileFormat
from libs.common.csv.line_scanner import find_lines
from libs.common.postgres.copy.check_prefilter import parse_constraints
from libs.common.postgres.copy.column_types import find_codec
from libs.common.postgres.copy.encoder import Encoder
from libs.common.postgres.copy.rows import Rows
from libs.common.postgres.target_table import TargetColumn
from services.loader.tests.integration.conftest import LoadBench

NUMBERS = st.one_of(
    st.integers(-(2**64), 2**64).map(str),
    st.from_regex(r"-?[0-9]{0,14}(\.[0-9]{0,5})?", fullmatch=True),
    st.sampled_from(
        [
            "0",
            "-0",
            "007",
            "+5",
            " 5",
            "5 ",
            "1e3",
            "NaN",
            "Infinity",
            "0x1F",
            "1_000",
            "",
            ".",
            "-",
            "٣",
        ]
        + [
            str(sign * 2**size + step)
            for size in (15, 31, 63)
            for sign in (1, -1)
            for step in (-1, 0, 1)
        ]
        + ["0.005", "-0.00", "9999999999.99", "9999999999.995", "-9999999999.99", "10000000000"]
    ),
)
DATES = st.one_of(
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True),
    st.dates().map(str),
    st.sampled_from(
        [
            "2024-02-29",
            "2023-02-29",
            "1900-02-29",
            "infinity",
            "0001-01-01",
            "9999-12-31",
            "2026-01-02 BC",
            "today",
            "epoch",
            "20260102",
            "01/02/2026",
            "2026-1-2",
        ]
    ),
)
ZONES = [
    "",
    "+14:59",
    "-0530",
    "-15",
    "+1:30",
    "+00",
    "+00:00",
    "+0000",
    "Z",
    "z",
    " UTC",
    "+02",
    "-05:30",
    " Europe/Berlin",
    "+00:00:00",
]
CLOCKS = [
    "00:00:00",
    "12:34:56.7",
    "12:34:56.123456",
    "12:34:56.1234567",
    "12:34:56.",
    "23:59:59",
    "23:59:60",
    "24:00:00",
    "12:34",
    "12:34:56.789",
    "7:08:09",
]
MOMENTS = st.builds(
    lambda day, between, clock, zone: f"{day}{between}{clock}{zone}",
    DATES,
    st.sampled_from([" ", "T", "  "]),
    st.one_of(st.sampled_from(CLOCKS), st.times().map(lambda t: t.isoformat("seconds"))),
    st.sampled_from(ZONES),
)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
UUIDS = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda value: str(value).upper()),
    st.uuids().map(lambda value: value.hex),
    st.from_regex(
        r"\{?[0-9a-g]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?", fullmatch=True
    ),
)
FLOATS = st.one_of(
    NUMBERS,
    st.floats(width=64).map(repr),
    st.floats(width=32).map(repr),
    st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.integers(2**23, 2**26).map(str),
    st.sampled_from(["-0", "-0.0", "16777217", "1.", ".5", "1e", "1e+", "1e22", "1e23", "9e-23"]),
    st.sampled_from(["1e400", "-1e-400", "1.7976931348623159e308", "3.4028236e38", "1e-45", "0.1"]),
)
TIMES = st.one_of(st.sampled_from(CLOCKS), st.times().map(str))
BYTES = st.one_of(
    st.binary(max_size=8).map(lambda value: "\\x" + value.hex()),
    st.sampled_from(["\\x", "\\xAB", "\\x a b", "\\x0", "\\\\x", "abc", "\\001", "\\", "x00"]),
)
DOCUMENTS = st.sampled_from(
    ['{"a": 1}', "[1.0, 1e2]", ' {"b":"x", "b": 2} ', "null", '"é"', "1", "-0.0", "[]"]
)
SPELLINGS = {
    "smallint": NUMBERS,
    "integer": NUMBERS,
    "bigint": NUMBERS,
    "numeric(12,2)": NUMBERS,
    "numeric(4,4)": NUMBERS,
    "numeric(5,0)": NUMBERS,
    "numeric(16,4)": NUMBERS,
    "numeric(38,10)": NUMBERS,
    "numeric(20,6)": NUMBERS,
    "numeric(20,16)": NUMBERS,
    "numeric": NUMBERS,
    "real": FLOATS,
    "double precision": FLOATS,
    "boolean": st.sampled_from(
        ["t", "f", "true", "false", "T", "TRUE", "yes", "no", "1", "0", "tru", " t", "on", "of"]
    ),
    "time without time zone": TIMES,
    "bytea": BYTES,
    "json": DOCUMENTS,
    "jsonb": DOCUMENTS,
    "character(3)": TEXTS.filter(lambda text: len(text) <= 3),
    "date": DATES,
    "timestamp without time zone": MOMENTS,
    "timestamp with time zone": MOMENTS,
    "uuid": UUIDS,
    "text": TEXTS,
    "character varying": TEXTS,
    "character varying(3)": TEXTS,
}


def column(name: str, type_name: str) -> TargetColumn:
    """Return a plain column of a type."""
    return TargetColumn(
        name=name,
        type=type_name,
        is_not_null=False,
        has_default=False,
        is_computed=False,
        identity="",
        is_domain=False,
    )


def encode(type_name: str, texts: list[str]) -> Rows:
    """Return the rows of those texts that are certain, each with its place."""
    columns = [column("n", "bigint"), column("v", type_name)]
    shapes = [shape for c in columns if (shape := find_codec(c, "UTC"))]
    encoder = Encoder(FileFormat(), shapes, parse_constraints(columns, []), has_lines=False)
    quoted = [text.replace('"', '""') for text in texts]
    data = "".join(f'{place},"{text}"\n' for place, text in enumerate(quoted)).encode()
    lines = find_lines(data, FileFormat())
    assert lines is not None
    encoded = encoder.encode(lines, 1)
    assert encoded is not None
    return encoded.certain


@pytest.mark.parametrize("type_name", SPELLINGS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_value_sent_is_the_value_that_postgres_reads(
    bench: LoadBench, type_name: str, data: st.DataObject
) -> None:
    alphabet = SPELLINGS[type_name].filter(lambda text: not set(text) & set("\r\n"))
    texts = data.draw(st.lists(alphabet, min_size=1, max_size=60))
    rows = encode(type_name, texts)

    bench.execute(
        "DROP TABLE IF EXISTS feed.sent; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY';"
        f" CREATE TABLE feed.sent (n bigint, v {type_name})"
    )
    with bench.owner.cursor() as cursor:
        copied = BytesIO(rows.for_sink())
        cursor.copy_expert("COPY feed.sent FROM STDIN (FORMAT binary)", copied)
    sent = bench.execute("SELECT v::text FROM feed.sent ORDER BY n")

    bench.execute(f"CREATE TEMPORARY TABLE given (n serial, v {type_name})")
    with bench.owner.cursor() as cursor:
        for place in rows.lines.tolist():
            cursor.execute("INSERT INTO given (v) VALUES (%s)", (texts[place],))
    read = bench.execute("SELECT v::text FROM given ORDER BY n")
    bench.execute("DROP TABLE given")
    assert sent == read


def test_nulls_are_sent_among_values_and_alone(bench: LoadBench) -> None:
    names = list(SPELLINGS)
    columns = [column(f"c{place}", name) for place, name in enumerate(names)]
    shapes = [shape for c in columns if (shape := find_codec(c, "UTC"))]
    texts = {
        "date": "2026-01-02",
        "time without time zone": "03:04:05",
        "boolean": "t",
        "numeric(4,4)": "0.5",
        "bytea": "\\x07",
        "uuid": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    }
    filled = ",".join(
        texts.get(name, "2026-01-02 03:04:05" if "time" in name else "7") for name in names
    )
    empty = "," * (len(names) - 1)
    encoder = Encoder(FileFormat(), shapes, parse_constraints(columns, []), has_lines=False)

    definition = ", ".join(f"c{place} {name}" for place, name in enumerate(names))
    bench.execute(f"CREATE TABLE feed.sent ({definition})")
    for data in (f"{empty}\n{filled}\n{empty}\n", f"{empty}\n"):
        lines = find_lines(data.encode(), FileFormat())
        assert lines is not None
        encoded = encoder.encode(lines, 1)
        assert encoded is not None
        with bench.owner.cursor() as cursor:
            rows = BytesIO(encoded.certain.for_sink())
            cursor.copy_expert("COPY feed.sent FROM STDIN (FORMAT binary)", rows)

    all_filled = " AND ".join(f"c{place} IS NOT NULL" for place in range(len(names)))
    all_empty = " AND ".join(f"c{place} IS NULL" for place in range(len(names)))
    assert bench.execute(
        f"SELECT count(*) FILTER (WHERE {all_filled}), count(*) FILTER (WHERE {all_empty})"
        " FROM feed.sent"
    ) == [(1, 3)]
