"""The text of masked columns is in no answer, no page, no log line and no row of the ledger."""

from typing import Any

import httpx
import pytest

from tests.endtoend.system import System

TOKEN = "qzTokenZq"
HEADER = "sku,Bezeichnung,category,price,quantity,updated_at"
GOOD = f"a,{TOKEN},c,1.00,3,2026-01-01 00:00:00+00"
LINES = (
    GOOD,
    GOOD,
    GOOD.replace("a,", "b,").replace("1.00", "cheap"),
    GOOD.replace("a,", "c,").replace("3,", f"{TOKEN},"),
    f"d,{TOKEN}",
    f'e,"{TOKEN}",c,-1,3,2026-01-01 00:00:00+00',
    f'f,x"{TOKEN},c,1,3,2026-01-01 00:00:00+00',
)
JSON_LINES = (
    f'{{"sku": "a", "name": "{TOKEN}", "category": "c", "quantity": 3, "price": 1, "updated_at": "2026-01-01"}}',
    f'{{"sku": "b", "name": "{TOKEN}", "category": "c", "quantity": 3, "price": "cheap", "updated_at": "2026-01-01"}}',
    f'{{"sku": "c", "name": "{TOKEN}", "category": "c", "quantity": 3, "price": 1, "updated_at": "{TOKEN}"}}',
    f'{{"sku": "d", "name": "{TOKEN}"',
    f'{{"sku": "e", "{TOKEN}": 1}}',
)
ANSWERS = (
    "",
    "/failed-rows",
    "/failed-rows?format=csv",
    "/failed-rows?format=source",
    "/corrections",
    "/corrections.csv",
    "/log",
    "/notifications",
)
PAGES = ("", "/failed-rows")


@pytest.mark.parametrize(
    ("name", "lines", "options"),
    [
        ("csv", (HEADER, *LINES), {"columns": {"Bezeichnung": "name"}}),
        (
            "utf16",
            (HEADER, *LINES),
            {"columns": {"Bezeichnung": "name"}, "format": {"encoding": "utf-16-le"}},
        ),
        ("jsonl", JSON_LINES, {"format": {"type": "jsonl"}}),
        ("headless", LINES, {}),
    ],
)
def test_what_is_masked_is_in_no_answer(
    system: System, name: str, lines: tuple[str, ...], options: dict[str, Any]
) -> None:
    encoding = options.get("format", {}).get("encoding", "utf-8")
    table = system.make_table(f"masked_{name}")
    path = system.incoming / f"masked_{name}.csv"
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    masked = ["name", "quantity", "updated_at"]
    with system.client as client, httpx.Client(base_url=f"http://127.0.0.1:{system.port}") as http:
        client.put_dataset(
            f"masked-{name}",
            {"table": table, "source": path.name, "masked_columns": masked, **options},
        )
        job = system.wait_over(client.submit(dataset=f"masked-{name}"))
        answers = [http.get(f"/v1/jobs/{job.id}{more}") for more in ANSWERS]
        answers += [http.get(f"/jobs/{job.id}{more}") for more in PAGES]
        rule = {"cell": "sku", "rule": {"kind": "trim"}}
        answers.append(http.patch(f"/v1/jobs/{job.id}/corrections", json=rule))
    tables = system.query(
        "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'adsp'::regnamespace AND relkind IN ('r', 'p')"
    )
    kept = [str(system.query(f"SELECT t::text FROM adsp.{name} AS t")) for (name,) in tables]
    logged = [str(system.log_lines(service)) for service in ("api", "worker", "loader")]

    assert job.state == ("failed" if name == "headless" else "completed_with_rejects")
    assert {answer.status_code for answer in answers} <= (
        {200, 409} if name == "headless" else {200}
    )
    for text in [*(answer.text for answer in answers), *kept, *logged]:
        for code in ("utf-8", "utf-16-le"):
            assert TOKEN not in text
            assert TOKEN.encode(code).hex() not in text
