"""Lines of JSON are read as a plain reference reads them: by their keys, with the values as they are written."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.csv.dialect import FileFormat
from libs.common.csv.header import read_header, with_names
from libs.common.enums import ErrorCode
from libs.common.errors import HeaderError
from libs.common.tests.unit.test_records import as_reference, split_all
from libs.devstack.testing.reference_splitter import reference_split

DIALECT = FileFormat.model_validate(
    {"type": "jsonl", "header": {"lines": 0, "names": ["a", "b", "é"]}}
)
SIGNS = ["{", "}", "[", "]", ",", ":", " ", "\t", "\n", "\r\n", "\r", "\x01", '"x', "null", "true"]
NUMBERS = ["1", "-1.50", "1e5", "01", "NaN", "Infinity", "9" * 5000]
STRINGS = ['"a"', '"b"', '"é"', '"c"', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\n"']
PIECES = [*SIGNS, *NUMBERS, *STRINGS, '{"a":', '"a":1', '"b":"}{"']
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "é", "é", "c"]), VALUES, max_size=3)
LINES = st.builds(
    lambda made, plain, gap: json.dumps(
        made, ensure_ascii=plain, separators=(gap + ",", ":" + gap)
    ),
    OBJECTS,
    st.booleans(),
    st.sampled_from(["", " ", "\t "]),
)
TEXTS = st.lists(LINES | st.lists(st.sampled_from(PIECES), max_size=9).map("".join), max_size=6)


@settings(max_examples=500)
@given(TEXTS, st.sampled_from(["\n", "\r\n"]))
def test_records_are_those_of_the_reference(texts: list[str], ending: str) -> None:
    data = ending.join(texts).encode("utf-8", "surrogatepass")

    records = split_all(data, DIALECT, width=3)

    expected = reference_split(data, DIALECT, width=3, cap=1 << 20)
    assert [as_reference(record) for record in records] == expected


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('{"a": "x", "b": 1.50, "é": null}', [b"x", b"1.50", None]),
        ('{"b": true}', [None, b"true", None]),
        ('{"a": {"x": [1, 2.0,"y"]} , "b":[] }', [b'{"x": [1, 2.0,"y"]}', b"[]", None]),
        ('  {"a": "", "a": "\\u00e9\\n"}', ["é\n".encode(), None, None]),
        ("{}", [None, None, None]),
        ('{"c": 1}', ErrorCode.EXTRA_CELL),
        ('{"a": 1', ErrorCode.TYPE_ERROR),
        ('{"a": NaN}', ErrorCode.TYPE_ERROR),
        ('["a"]', ErrorCode.TYPE_ERROR),
        ('{"a": 1} 2', ErrorCode.TYPE_ERROR),
        ('{"a": "\\u0000"}', ErrorCode.ENCODING_ERROR),
        ('{"a": "\\ud800"}', ErrorCode.ENCODING_ERROR),
        ('{"a": ' + "[" * 100_000 + "}", ErrorCode.TYPE_ERROR),
    ],
)
def test_examples_by_hand(line: str, cells: object) -> None:
    [record] = split_all(line.encode(), DIALECT, width=3)

    assert (record.fault.code if record.fault else record.cells) == cells
    if record.fault is not None:
        assert record.fault.message  # what it shows of the line may hold braces


def test_the_keys_of_the_first_record_are_the_header() -> None:
    dialect = FileFormat(type="jsonl")
    data = b'\n{"id": 1, "v": {"x": 1}}\n{"v": null, "id": 2}\n'

    header = read_header(io.BytesIO(data), dialect)
    records = split_all(data, with_names(dialect, header.cells), width=2)

    assert (header.cells, header.byte_end, header.next_line) == (("id", "v"), 0, 1)
    assert [record.cells for record in records] == [[b"1", b'{"x": 1}'], [b"2", None]]
    with pytest.raises(HeaderError, match=r"first record \(line 2\): the line is no JSON object"):
        read_header(io.BytesIO(b"\nid,v\n"), dialect)


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ";"},
        {"quote": "'"},
        {"null": "x"},
        {"trailing_delimiter": True},
        {"blank_records": "skip"},
        {"header": {"find": "a"}},
        {"header": {"repeated": True}},
    ],
)
def test_what_says_nothing_about_json_is_refused(options: dict[str, Any]) -> None:
    [name] = options

    with pytest.raises(ValueError, match=f"knows no '{name}'"):
        FileFormat.model_validate({"type": "jsonl", **options})
