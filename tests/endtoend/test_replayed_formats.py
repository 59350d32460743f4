"""Failed rows of a file of any format come out as a file that its replay takes, corrected or as it is."""

import gzip
from typing import Any

import pytest

from tests.endtoend.feed import end
from tests.endtoend.system import System

FORMATS: dict[str, tuple[dict[str, Any], bytes, bytes]] = {
    "tabs": (
        {"delimiter": "\t", "quote": None, "line_end": "lf"},
        b'id\tv\n1\t5" a\nx\t"open\n3\tc\n',
        b'id\tv\nx\t"open\n',
    ),
    "bars": ({"delimiter": "||"}, b'id||v\n1||a\nx||"b||"""\n', b'id||v\nx||"b||"""\n'),
    "escapes": (
        {"escape": "\\", "delimiter": ";"},
        b'id;v\n1;a\nx;"say \\"\\\n\\;"\n',
        b'id;v\nx;"say \\"\\\n\\;"\n',
    ),
    "no_header": (
        {"header": {"lines": 0, "names": ["id", "v"], "skip_before": 1}},
        b"made by night\n1,a\nx,b\n",
        b"x,b\n",
    ),
    "preamble": (
        {
            "header": {"find": "id,v", "skip_after": 1, "repeated": True},
            "comment": "#",
            "footer": {"pattern": r"^T(\d+)", "rows": 1},
        },
        b"a statement\nid,v\n[1],[text]\n1,a\nid,v\n# it's\nx,b\nT2\n",
        b"id,v\nx,b\n",
    ),
    "crlf": (
        {"line_end": "crlf", "trailing_delimiter": True, "blank_records": "skip"},
        b"id,v,\r\n1,a,\r\n,,\r\nx,b\nc,\r\n",
        b"id,v,\r\nx,b\nc,\r\n",
    ),
    "cr": ({"line_end": "cr"}, b"id,v\r1,a\rx,b\nc\r", b"id,v\rx,b\nc\r"),
    "json": (
        {"type": "jsonl"},
        b'{"id": 1, "v": "a"}\n{"v": "b", "id": "x"}\n',
        b'{"v": "b", "id": "x"}\n',
    ),
    "packed": ({"compression": "gzip"}, gzip.compress(b"id,v\n1,a\nx,b\n"), b"id,v\nx,b\n"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_rows_of_any_format_are_corrected_and_loaded(system: System, name: str) -> None:
    form, data, exported = FORMATS[name]
    dataset = f"replayed_{name}"
    table = f"public.{dataset}"
    system.execute(
        f"CREATE TABLE {table} (id int PRIMARY KEY, v text);"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO adsp_loader"
    )
    (system.incoming / f"{dataset}.csv").write_bytes(data)
    with system.client as client:
        client.put_dataset(dataset, {"table": table, "source": f"{dataset}.csv", "format": form})
        first = system.wait_over(client.submit(dataset=dataset))
        again = system.wait_over(client.replay(first.id))
        rows = client.get(f"/v1/jobs/{first.id}/failed-rows", format="source").content
        corrected = system.folder / f"{dataset}.csv"
        corrected.write_bytes(rows.replace(b"x", b"7", 1))
        fixed = system.wait_over(client.replay(first.id, corrected))
        report = client.get(f"/v1/jobs/{first.id}/failed-rows", format="csv").text

    assert rows == exported
    assert end(first) == ("completed_with_rejects", None), first
    assert first.rows_rejected == 1
    assert again.rows_rejected == 1, again
    assert (end(fixed), fixed.rows_loaded) == (("succeeded", None), 1), fixed
    assert report.startswith("id,v,adsp_line_number")
    loaded = dict(system.query(f"SELECT id, v FROM {table}"))
    assert loaded.keys() >= {1, 7}
