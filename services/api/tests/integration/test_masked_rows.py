"""Failed rows with masked cells say so, are not replayed as they are, and are corrected as a whole."""

import csv
import io
from pathlib import Path

import httpx
import pytest

from services.api.tests.integration.api_bench import Ledger, problem_of

MASKED = b"2,***,c,dear,1,2026-01-01"
WHOLE = "2,b,c,1.00,1,2026-01-01"


@pytest.fixture
def ended(client: httpx.Client, job: str, items: Path, ledger: Ledger) -> str:
    """Return a job that has ended with a masked row, one without its bytes, and one without a masked cell."""
    ledger.plan(job, items)
    ledger.add_failed_row(job, 60, MASKED, column_name="price", record_bytes=30)
    ledger.add_failed_row(job, 90, b"", stage="parse", error_code="missing-cell", record_bytes=20)
    ledger.add_failed_row(job, 120, b"4,,c,dear,1,2026-01-01", column_name="price")
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(),"
        " rows_read = 3, rows_rejected = 3,"
        ' definition = definition || \'{"masked_columns": ["name"]}\''
    )
    ledger.execute("UPDATE adsp.chunks SET state = 'done'")
    return job


def _put(client: httpx.Client, job: str, place: int, **body: object) -> httpx.Response:
    return client.put(f"/v1/jobs/{job}/corrections/{place}", json=body)


def test_the_list_says_which_rows_are_masked(client: httpx.Client, ended: str) -> None:
    masked, empty, whole = client.get(f"/v1/jobs/{ended}/failed-rows").json()["items"]

    assert (masked["raw"], masked["masked"]) == (MASKED.decode(), True)
    assert (masked["record_bytes"], masked["kept_bytes"]) == (30, 0)
    assert (empty["raw"], empty["masked"]) == ("", True)
    assert "masked" not in whole


def test_the_csv_has_the_cells_and_the_source_only_whole_rows(
    client: httpx.Client, ended: str
) -> None:
    path = f"/v1/jobs/{ended}/failed-rows"
    rows = list(csv.reader(io.StringIO(client.get(path, params={"format": "csv"}).text)))
    source = client.get(path, params={"format": "source"}).text

    assert rows[1][:6] == ["2", "***", "c", "dear", "1", "2026-01-01"]
    assert rows[2][:6] == [""] * 6
    assert source.splitlines()[1:] == ["4,,c,dear,1,2026-01-01"]


def test_they_are_not_replayed_as_they_are(client: httpx.Client, ended: str) -> None:
    status, code, detail = problem_of(client.post(f"/v1/jobs/{ended}/replay"))
    drafted = problem_of(client.post(f"/v1/jobs/{ended}/corrections/replay"))

    assert (status, code) == (409, "failed-rows-masked")
    assert detail.startswith("of 2 of the failed rows")
    assert "load their file again" in detail
    assert drafted[:2] == (409, "failed-rows-damaged")
    assert "masked" in drafted[2]


def test_they_are_corrected_as_a_whole_and_loaded(client: httpx.Client, ended: str) -> None:
    cells = problem_of(_put(client, ended, 60, cells={"price": "1"}))
    marked = problem_of(_put(client, ended, 60, record=MASKED.decode().replace("dear", "1")))
    for place in (60, 90, 120):
        assert _put(client, ended, place, record=WHOLE).status_code == 200
    replay = client.post(f"/v1/jobs/{ended}/corrections/replay")

    assert cells[:2] == (409, "failed-rows-masked")
    assert marked[:2] == (422, "cell-masked")
    assert "'name'" in marked[2]
    assert Path(replay.json()["source"]).read_text().splitlines()[1:] == [WHOLE] * 3


def test_a_sheet_cannot_keep_the_marker(client: httpx.Client, ended: str) -> None:
    path = f"/v1/jobs/{ended}/corrections.csv"
    sheet = client.get(path).text
    marked = sheet.replace(MASKED.decode(), MASKED.decode().replace("dear", "1"))
    whole = sheet.replace(MASKED.decode(), WHOLE)
    headers = {"Content-Type": "text/csv"}
    refused = problem_of(client.post(path, content=marked, headers=headers))
    taken = client.post(path, content=whole, headers=headers).json()

    assert marked != sheet
    assert refused[:2] == (422, "sheet-refused")
    assert "still has the marker" in refused[2]
    assert taken["changed"] == 1


def test_a_rule_leaves_them_alone(client: httpx.Client, ended: str) -> None:
    body = {"cell": "category", "rule": {"kind": "set_null"}}
    answer = client.patch(f"/v1/jobs/{ended}/corrections", json=body)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["rows"], answer.json()["unreadable"]) == (3, 2)


def test_pages_show_the_marker_and_how_to_go_on(client: httpx.Client, ended: str) -> None:
    rows = client.get(f"/jobs/{ended}/failed-rows").text
    form = client.get(f"/jobs/{ended}/failed-rows/60").text

    assert MASKED.decode() in rows
    assert "cells are masked" in form


def test_a_column_that_the_table_lacks_is_refused(client: httpx.Client, job: str) -> None:
    assert job
    path, headers = "/v1/datasets/items", {"Content-Type": "application/merge-patch+json"}
    refused, taken = (
        client.patch(path, json={"masked_columns": [name]}, headers=headers)
        for name in ("nobody", "name")
    )

    assert problem_of(refused)[:2] == (422, "column-unknown")
    assert taken.json()["masked_columns"] == ["name"]
