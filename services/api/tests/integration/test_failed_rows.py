import base64
import csv
import io
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from services.api.tests.integration.api_bench import (
    HEADER,
    ITEMS,
    Ledger,
    SettingsWith,
    problem_of,
    serving,
)

FIELDS = {
    "id", "place", "file", "line_number", "byte_offset", "raw",
    "stage", "error_code", "column", "sqlstate", "message",
}  # fmt: skip
REASONS = ["adsp_line_number", "adsp_error_code", "adsp_column", "adsp_sqlstate", "adsp_message"]


@pytest.fixture
def planned(client: httpx.Client, ledger: Ledger, items: Path, job: str) -> str:
    """Return a running job that can have failed rows."""
    ledger.plan(job, items)
    return job


def test_a_failed_row_tells_everything_about_itself(
    client: httpx.Client, ledger: Ledger, planned: str, items: Path
) -> None:
    ledger.add_failed_row(
        planned, 7, b"a,b", line_number=9, column_name="price", sqlstate="22P02", message="why"
    )
    [row] = client.get(f"/v1/jobs/{planned}/failed-rows").json()["items"]

    assert row.keys() == FIELDS
    assert row.pop("id") > 0
    assert row == {
        "place": 7,
        "file": str(items),
        "line_number": 9,
        "byte_offset": 7,
        "raw": "a,b",
        "stage": "convert",
        "error_code": "type-error",
        "column": "price",
        "sqlstate": "22P02",
        "message": "why",
    }


def test_bytes_that_are_not_text_are_not_lost(
    client: httpx.Client, ledger: Ledger, planned: str
) -> None:
    ledger.add_failed_row(planned, 0, b"caf\xe9\0", stage="parse", error_code="encoding-error")
    [row] = client.get(f"/v1/jobs/{planned}/failed-rows").json()["items"]

    assert row["raw"] == "caf\\xe9\0"
    assert base64.b64decode(row["raw_base64"]) == b"caf\xe9\0"


def test_failed_rows_come_in_pages_in_the_order_of_the_file(
    client: httpx.Client, ledger: Ledger, planned: str
) -> None:
    for offset in (40, 10, 30, 0, 20):
        ledger.add_failed_row(planned, offset, b"x")
    path, parameters = f"/v1/jobs/{planned}/failed-rows", {"page_size": "2"}
    offsets, page = [], {}
    for _ in range(3):
        page = client.get(path, params=parameters).json()
        offsets.append([row["byte_offset"] for row in page["items"]])
        parameters["page_token"] = page["next_page_token"]

    assert offsets == [[0, 10], [20, 30], [40]]
    assert page["next_page_token"] is None


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"column": "price"}, ["a,1", "b,2"]),
        ({"text": "B,"}, []),
        ({"text": "b,"}, ["b,2"]),
        ({"text": "TOO"}, ["b,2", "c,3"]),
        ({"column": "price", "text": "too"}, ["b,2"]),
        ({"column": "sku", "error_code": "type-error"}, ["c,3"]),
        ({"column": "none"}, []),
    ],
)
def test_failed_rows_are_filtered_by_column_and_text(
    client: httpx.Client, ledger: Ledger, planned: str, filters: dict[str, str], left: list[str]
) -> None:
    """The text is part of the record as it is written, or of the message however that is."""
    ledger.add_failed_row(planned, 0, b"a,1", column_name="price", message="no number")
    ledger.add_failed_row(planned, 10, b"b,2", column_name="price", message="too large")
    ledger.add_failed_row(planned, 20, b"c,3", column_name="sku", message="Too long")
    path = f"/v1/jobs/{planned}/failed-rows"

    rows = client.get(path, params=filters).json()["items"]
    exported = client.get(path, params={**filters, "format": "source"}).text

    assert [row["raw"] for row in rows] == left
    assert exported.splitlines()[1:] == left


def test_failed_rows_are_filtered_by_their_error_code(
    client: httpx.Client, ledger: Ledger, planned: str
) -> None:
    ledger.add_failed_row(planned, 0, b"x")
    ledger.add_failed_row(planned, 5, b"y", stage="constraint", error_code="unique")
    path = f"/v1/jobs/{planned}/failed-rows"
    rows = client.get(path, params={"error_code": "unique"}).json()["items"]
    exported = client.get(path, params={"error_code": "unique", "format": "csv"}).text

    assert [row["raw"] for row in rows] == ["y"]
    assert len(exported.splitlines()) == 2
    assert problem_of(client.get(path, params={"error_code": "x"}))[:2] == (422, "invalid-request")


@pytest.mark.parametrize("token", ["WzEsIngiXQ", "x"])
def test_a_page_token_from_elsewhere_is_refused(
    client: httpx.Client, planned: str, token: str
) -> None:
    answer = client.get(f"/v1/jobs/{planned}/failed-rows", params={"page_token": token})

    assert problem_of(answer)[:2] == (422, "page-token-invalid")


def _export(client: httpx.Client, job: str) -> list[list[str]]:
    answer = client.get(f"/v1/jobs/{job}/failed-rows", params={"format": "csv"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="failed-rows-{job}.csv"'
    )
    return list(csv.reader(io.StringIO(answer.text, newline=""), strict=True))


def test_an_export_has_the_sources_columns_and_the_reasons(
    client: httpx.Client, ledger: Ledger, planned: str
) -> None:
    ledger.add_failed_row(
        planned, 0, b'1,"a ""b"",\nc",x,cheap,=1+1,-5', column_name="price", sqlstate="22P02"
    )
    ledger.add_failed_row(planned, 50, b"2,b", stage="parse", error_code="missing-cell")
    ledger.add_failed_row(planned, 60, b'3,b"ad\xff', stage="parse", error_code="malformed-quote")
    header, *rows = _export(client, planned)

    assert header == ["sku", "name", "category", "price", "quantity", "updated_at", *REASONS]
    assert rows == [
        [
            "1",
            'a "b",\nc',
            "x",
            "cheap",
            "'=1+1",
            "-5",
            "2",
            "type-error",
            "price",
            "22P02",
            "wrong",
        ],
        ["2", "b", "", "", "", "", "52", "missing-cell", "", "", "wrong"],
        ['3,b"ad\\xff', "", "", "", "", "", "62", "malformed-quote", "", "", "wrong"],
    ]


def test_an_export_reads_records_in_the_datasets_dialect(
    client: httpx.Client, ledger: Ledger, root: Path
) -> None:
    (root / "a.csv").write_bytes("Größe;sku\n".encode("latin-1"))
    body = {**ITEMS, "format": {"delimiter": ";", "quote": "'", "encoding": "latin-1"}}
    client.put("/v1/datasets/semicolons", json=body).raise_for_status()
    job = client.post("/v1/jobs", json={"dataset": "semicolons", "source": "a.csv"}).json()["id"]
    ledger.plan(job, root / "a.csv", header=["Größe", "sku"])
    ledger.add_failed_row(job, 0, "'a;b';ü".encode("latin-1"))

    assert [row[:2] for row in _export(client, job)] == [["Größe", "sku"], ["a;b", "ü"]]


@pytest.mark.parametrize("happened", ["gone", "changed"])
def test_an_export_needs_no_source(
    client: httpx.Client, ledger: Ledger, items: Path, planned: str, happened: str
) -> None:
    ledger.add_failed_row(planned, 0, b"-1+1,b")
    if happened == "gone":
        items.unlink()
    else:
        items.write_text("other,names\n")
    header, row = _export(client, planned)

    assert header == [*HEADER, *REASONS]
    assert row[:2] == ["'-1+1", "b"]


def test_before_the_plan_records_are_exported_whole(
    client: httpx.Client, ledger: Ledger, planned: str
) -> None:
    ledger.add_failed_row(planned, 0, b"-1+1,b")
    ledger.execute("UPDATE adsp.jobs SET source_path = NULL, header = NULL")
    header, row = _export(client, planned)

    assert header == ["raw", *REASONS]
    assert row == ["'-1+1,b", "2", "type-error", "", "", "wrong"]


def test_a_job_without_failed_rows_exports_its_header(client: httpx.Client, planned: str) -> None:
    assert len(_export(client, planned)) == 1


def test_an_export_of_many_rows_is_whole_and_streamed(
    client: httpx.Client, ledger: Ledger, planned: str
) -> None:
    ledger.execute(
        "INSERT INTO adsp.failed_rows (job_id, chunk_number, byte_offset, raw, line_number, stage,"
        " error_code, message) SELECT %s, 0, n, convert_to(n::text, 'UTF8'), n, 'parse',"
        " 'extra-cell', 'm' FROM generate_series(1, 20000) AS n",
        planned,
    )
    path = f"/v1/jobs/{planned}/failed-rows?format=csv"
    with client.stream("GET", path) as answer:
        is_streamed = "content-length" not in answer.headers
        lines = list(answer.iter_lines())

    assert is_streamed
    assert [line.partition(",")[0] for line in lines[1:]] == [str(n) for n in range(1, 20001)]


@pytest.mark.parametrize("page_size", [1, 50, 500])
def test_pages_of_large_rows_are_bounded_in_bytes(
    client: httpx.Client, ledger: Ledger, planned: str, page_size: int
) -> None:
    """A page of the largest rows would fill the memory of an api; all of them come, on more pages."""
    ledger.execute(
        "INSERT INTO adsp.failed_rows (job_id, chunk_number, byte_offset, raw, line_number, stage,"
        " error_code, message) SELECT %s, 0, n, repeat('x', 400000)::bytea, n, 'parse',"
        " 'extra-cell', 'm' FROM generate_series(1, 12) AS n",
        planned,
    )
    path = f"/v1/jobs/{planned}/failed-rows"
    query = {"page_size": str(page_size)}
    lines: list[int] = []
    sizes: list[int] = []
    while len(sizes) < 20:
        answer = client.get(path, params=query)
        page = answer.json()
        sizes.append(len(answer.content))
        lines += [row["line_number"] for row in page["items"]]
        if page["next_page_token"] is None:
            break
        query["page_token"] = page["next_page_token"]

    assert lines == list(range(1, 13))
    assert max(sizes) < 1_100_000


def test_clients_that_read_slowly_or_leave_hold_no_connection(
    settings_with: SettingsWith, client: httpx.Client, ledger: Ledger, planned: str
) -> None:
    """Twelve exports are open on the one connection of this api, one of them in each form; the others are answered."""
    ledger.execute(
        "INSERT INTO adsp.failed_rows (job_id, chunk_number, byte_offset, raw, line_number, stage,"
        " error_code, message) SELECT %s, 0, n, repeat('x', 10000)::bytea, n, 'parse',"
        " 'extra-cell', 'm' FROM generate_series(1, 1000) AS n",
        planned,
    )
    ledger.execute("UPDATE adsp.jobs SET header = '{sku}'")
    with serving(settings_with(database_pool_size=1)) as one, ExitStack() as open_exports:
        for form in ["csv", "source"] * 6:
            path = f"/v1/jobs/{planned}/failed-rows?format={form}"
            answer = open_exports.enter_context(one.stream("GET", path))
            next(answer.iter_bytes(1000))
        shown = one.get(f"/v1/jobs/{planned}")

    assert shown.status_code == 200
    assert shown.elapsed.total_seconds() < 2


def test_a_reason_that_an_ended_job_has_no_row_of_is_answered_from_its_counts(
    client: httpx.Client, ledger: Ledger, planned: str
) -> None:
    """To find none, all of its rows were gone through: seconds for a million, for each that asked."""
    for offset in range(3):
        ledger.add_failed_row(planned, offset, b"a,b", error_code="type-error")
    path = f"/v1/jobs/{planned}/failed-rows"
    running = client.get(path, params={"error_code": "type-error"}).json()["items"]
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(), rows_read = 3,"
        " rows_rejected = 3, rejected_by_code = '{\"type-error\": 3}'"
    )
    found = client.get(path, params={"error_code": "type-error", "page_size": 2}).json()
    none = client.get(path, params={"error_code": "unique"}).json()
    with ledger.held("LOCK TABLE adsp.failed_rows IN ACCESS EXCLUSIVE MODE"):
        unread = client.get(path, params={"error_code": "unique"}).json()

    assert len(running) == 3
    assert len(found["items"]) == 2
    assert found["next_page_token"] is not None
    assert none == unread == {"items": [], "next_page_token": None}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "failed-rows"),
        ("GET", "failed-rows?format=csv"),
        ("GET", "failed-rows?format=source"),
        ("GET", "corrections.csv"),
        ("POST", "corrections/replay"),
        ("POST", "replay"),
    ],
)
def test_rows_that_were_removed_are_missed_by_name(
    client: httpx.Client, ledger: Ledger, planned: str, method: str, path: str
) -> None:
    """An empty list would look as if there had been none."""
    _remove_failed_rows(ledger)

    answer = client.request(method, f"/v1/jobs/{planned}/{path}")

    assert (answer.status_code, answer.json()["code"]) == (409, "failed-rows-removed")
    assert "the 3 failed rows" in answer.json()["detail"]
    assert "removed on 2026-11-20" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["", "/failed-rows"])
def test_pages_say_when_rows_were_removed(
    client: httpx.Client, ledger: Ledger, planned: str, path: str
) -> None:
    _remove_failed_rows(ledger)

    page = client.get(f"/jobs/{planned}{path}", headers={"Accept": "text/html"})

    assert page.status_code == 200
    assert "removed on 2026-11-20" in page.text
    assert client.get(f"/v1/jobs/{planned}").json()["failed_rows_removed_at"] is not None


def _remove_failed_rows(ledger: Ledger) -> None:
    """Let the job have ended long ago with failed rows that are gone."""
    ledger.execute("UPDATE adsp.chunks SET state = 'done'")
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(), rows_read = 3, rows_rejected = 3,"
        " failed_rows_removed_at = '2026-11-20 12:00Z', failed_rows_settled = TRUE,"
        " rejected_by_code = '{\"type-error\": 3}'"
    )
