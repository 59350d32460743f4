"""What `POST /v1/inspect` proposes for a file is true: its table takes the file but for the rejects it names."""

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.endtoend.system import System


@dataclass(frozen=True)
class Case:
    """A file, and the columns, with their types, that are right for it."""

    name: str
    content: bytes
    types: dict[str, str]
    rejected: int = 0
    rows: int = 2


INT, TEXT, NUM, DATE = "integer", "text", "numeric", "date"
CASES = [
    Case("plain.csv", b"a,b,c\n1,2,3\n4,5,6\n", {"a": INT, "b": INT, "c": INT}),
    Case("quotes.csv", b'a,b\n1,"ha ""ha"" ha"\n3,x\n', {"a": INT, "b": TEXT}),
    Case("lines.csv", b'a,b\r\n1,"Once upon \r\na time"\r\n3,x\r\n', {"a": INT, "b": TEXT}),
    Case("json.csv", b'k,v\n1,"{""t"": [1, 0.5]}"\n2,\n', {"k": INT, "v": "jsonb"}),
    Case("utf8.csv", "\ufeffä,b\n1,ʤ\n2,x\n".encode(), {"ä": INT, "b": TEXT}),
    Case(
        "cp1252.csv",
        "name;Stück\nMüller;1\nÖzil;2\n".encode("cp1252"),
        {"name": TEXT, "stück": INT},
    ),
    Case("utf16.txt", "id\tname\n1\tÄ, ö\n2\tß\n".encode("utf-16"), {"id": INT, "name": TEXT}),
    Case(
        "german.csv",
        "id;amount;day\n1;5,50;24.11.2026\n2;-1.234,56 €;01.02.2026\n".encode(),
        {"id": INT, "amount": NUM, "day": DATE},
    ),
    Case("us.csv", b"id,day\n1,12/31/2026\n2,01/02/2026\n", {"id": INT, "day": DATE}),
    Case(
        "pipes.csv",
        b"id|zip|phone|at\n1|00123|+4312|2026-01-01 10:00\n2|10|+43|2026-01-02 11:00:30\n",
        {"id": INT, "zip": TEXT, "phone": TEXT, "at": "timestamp without time zone"},
    ),
    Case("bars.txt", b"id||v||n\n1||a||2\n2||||4\n", {"id": INT, "v": TEXT, "n": INT}),
    Case(
        "hive.txt",
        b"id\x01v\x01n\n1\x01a|b\x01\\N\n2\x01x\x013\n",
        {"id": INT, "v": TEXT, "n": INT},
    ),
    Case("inches.tsv", b'id\tsize\n1\t3"\n2\t1/2" x 4\n', {"id": INT, "size": TEXT}),
    Case("mysql.csv", b'id,v\n1,"say \\"hi\\""\n2,"plain, text"\n', {"id": INT, "v": TEXT}),
    Case("headless.csv", b"1,Ann\n2,Bo\n", {"column_1": INT, "column_2": TEXT}),
    Case("trailing.csv", b"id|v|\n1|a|\n2|b|\n", {"id": INT, "v": TEXT}),
    Case("column.csv", b"name\nAnn\nBob\n", {"name": TEXT}),
    Case("twice.csv", b"id,id,\n1,2,x\n3,4,y\n", {"id": INT, "id_2": INT, "column_3": TEXT}),
    Case(
        "shout.csv", b"ID,Order Date\n1,2026-01-01\n2,2026-01-02\n", {"id": INT, "order_date": DATE}
    ),
    Case(
        "preamble.csv",
        "Umsätze;\nKonto;000\n\nTag;Zweck;Betrag\n01.01.2026;Miete;5,0\n02.01.2026;x;6,5\n".encode(
            "cp1252"
        ),
        {"tag": DATE, "zweck": TEXT, "betrag": NUM},
    ),
    Case("nulls.csv", b"id,n,t\n1,NULL,a\n2,5,b\n", {"id": INT, "n": INT, "t": TEXT}),
    Case("nulls_and_texts.csv", b"id,n,t\n1,NA,NA\n2,5,b\n", {"id": INT, "n": INT, "t": TEXT}),
    Case(
        "big.csv",
        b"id,u\n9999999999,6f9619ff-8b86-d011-b42d-00cf4fc964ff\n2,\n",
        {"id": "bigint", "u": "uuid"},
    ),
    Case(
        "zone.csv",
        b"at,ok,x\n2026-01-01T10:00:00Z,true,1e5\n2026-01-01 10:00+01,f,.5\n",
        {"at": "timestamp with time zone", "ok": "boolean", "x": NUM},
    ),
    Case(
        "lines.jsonl",
        b'{"id": 1, "v": {"a": 2}}\n{"id": 2, "v": null}\n',
        {"id": INT, "v": "jsonb"},
    ),
    Case("broken.csv", b"a,b\n1,2\n3\n4,5\n6,7,8\n", {"a": INT, "b": INT}, rejected=2),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_proposed_table_takes_the_file(system: System, case: Case) -> None:
    name = "seen_" + re.sub(r"\W", "_", case.name)
    with system.client as client:
        seen = _inspect(system, case.content, filename=case.name, table=f"public.{name}")
        for statement in seen["ddl"]:
            system.execute(statement)
        dataset = name.replace("_", "-")
        client.put_dataset(dataset, seen["definition"])
        path = system.folder / case.name
        path.write_bytes(case.content)
        job = system.wait_over(client.load(dataset, path))
        again = _inspect(system, case.content, filename=case.name, table=f"public.{name}")

    assert {each["column"]: each["type"] for each in seen["columns"]} == case.types
    assert seen["rejected"] == case.rejected
    assert (job.rows_loaded, job.rows_rejected) == (case.rows, case.rejected), job
    assert again["table_exists"]
    assert again["rejected"] == case.rejected
    assert {each["column"] for each in again["columns"]} == case.types.keys()


def _inspect(system: System, content: bytes, **asked: str) -> dict[str, Any]:
    answer = httpx.post(
        f"{system.url}/v1/inspect",
        params=asked,
        content=content,
        headers={"Content-Type": "application/octet-stream"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
