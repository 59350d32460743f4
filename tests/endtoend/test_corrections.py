"""Failed rows are corrected in a draft, checked without a trace, and loaded once by all services together."""

from pathlib import Path
from typing import Any

import pytest

from libs.client.client import Client
from libs.client.models import Job
from tests.endtoend.system import System

HEADER = "sku,name,category,price,quantity,updated_at"
BAD = "{},lamp é,tools,cheap,3,2026-01-01 00:00:00+00"

JSON = '{{"sku": "{}", "name": "é", "category": "c", "price": "cheap", "quantity": 3, "updated_at": "2026-01-01"}}'


def _load(
    system: System, client: Client, name: str, content: bytes, **definition: object
) -> tuple[str, Job]:
    table = system.make_table(name)
    path: Path = system.incoming / f"{name}.csv"
    path.write_bytes(content)
    client.put_dataset(name, {"table": table, "source": path.name} | definition)
    return table, system.wait_over(client.submit(dataset=name))


def test_a_draft_is_checked_then_loaded_once(system: System) -> None:
    lines = [HEADER, *(BAD.format(number) for number in range(5))]
    with system.client as client:
        content = "\n".join(lines).encode() + b"\n"
        table, job = _load(system, client, "drafted", content)
        rows = list(client.failed_rows(job.id))
        draft = client.corrections(job.id)
        for row, price in zip(rows[:4], ["1.5", "2.5", "dear", "3.5"], strict=True):
            draft.put(row.place, cells={"price": price})
        draft.take_back(draft.put(rows[4].place, discarded=True))
        check = system.wait_over(draft.check())
        before = system.count(table)
        replay, again = (system.wait_over(draft.replay()) for _ in range(2))
        refused = [(row.error_code, row.raw.split(",")[3]) for row in client.failed_rows(replay.id)]
        checked = [row.raw for row in client.failed_rows(check.id)]

    assert (check.state, check.rows_loaded, check.rows_rejected) == ("checked", 3, 2)
    assert len(checked) == 2
    assert before == 0
    assert (replay.state, replay.rows_loaded) == ("completed_with_rejects", 3)
    assert again.id == replay.id
    assert refused == [("type-error", "dear"), ("type-error", "cheap")]
    assert system.count(table) == 3


@pytest.mark.parametrize(
    ("name", "header", "record", "form"),
    [
        ("cp1252", HEADER, BAD, {"encoding": "cp1252"}),
        ("utf16", HEADER, BAD, {"encoding": "utf-16-le"}),
        (
            "jsonl",
            None,
            JSON,
            {"type": "jsonl"},
        ),
        ("bars", HEADER.replace(",", "||"), BAD.replace(",", "||"), {"delimiter": "||"}),
        ("headless", None, BAD, {"header": {"lines": 0, "names": HEADER.split(",")}}),
    ],
)
def test_rows_of_every_format_are_corrected(
    system: System, name: str, header: str | None, record: str, form: dict[str, Any]
) -> None:
    lines = [*([header] if header else []), *(record.format(number) for number in range(3))]
    encoding = form.get("encoding", "utf-8")
    with system.client as client:
        content = ("\n".join(lines) + "\n").encode(encoding)
        table, job = _load(system, client, f"draft_{name}", content, format=form)
        for row in client.failed_rows(job.id):
            client.corrections(job.id).put(row.place, cells={"price": "1.5", "name": "ü, é"})
        done = system.wait_over(client.corrections(job.id).replay())

    assert job.rows_rejected == 3
    assert (done.state, done.rows_loaded) == ("succeeded", 3)
    assert system.query(f"SELECT DISTINCT name, price::text FROM {table}") == [("ü, é", "1.50")]
