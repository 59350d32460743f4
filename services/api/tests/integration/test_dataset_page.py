"""The page of a dataset explains it, and loads, pauses and deletes it through the interface's own functions."""

import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from services.api.tests.integration.api_bench import Ledger, MakeKey, problem_of

DAY = "2026-01-02"


@pytest.fixture
def dataset(client: httpx.Client, items: Path) -> str:
    """Return the path of the page of `items`, which has a file of one day."""
    return "/datasets/items"


def send(client: httpx.Client, path: str, form: str, **fields: str) -> httpx.Response:
    """Send the form of a page that goes to an address, with what it holds and more."""
    [found] = re.findall(
        rf'<form method="post" action="{form}".*?</form>', client.get(path).text, re.DOTALL
    )
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', found))
    return client.post(form, data=hidden | fields)


def test_definition_table_and_versions_are_shown(client: httpx.Client, dataset: str) -> None:
    client.patch("/v1/datasets/items", json={"max_rejected_rows": 7})
    page = client.get(dataset).text

    assert "table: public.items" in page
    assert "<code>sku</code></td><td>text</td><td>yes</td>" in page
    assert "<code>pk_items</code>: <code>PRIMARY KEY (sku)</code>" in page
    assert '<span class="added">+max_rejected_rows: 7</span>' in page
    assert '<span class="added">+max_rejected_rows' not in client.get(f"{dataset}?version=1").text
    assert "There is no version 9." in client.get(dataset, params={"version": 9}).text


def test_a_missing_right_is_named_with_the_statement_that_gives_it(
    client: httpx.Client, dataset: str, ledger: Ledger
) -> None:
    ledger.execute("REVOKE INSERT ON public.items FROM adsp_loader")
    try:
        page = client.get(dataset).text
    finally:
        ledger.execute("GRANT INSERT ON public.items TO adsp_loader")

    assert "It cannot be loaded" in page
    assert "GRANT INSERT ON" in page
    assert "It cannot be loaded" not in client.get(dataset).text


def test_a_day_is_loaded_once_however_often_the_form_is_sent(
    client: httpx.Client, dataset: str, ledger: Ledger
) -> None:
    first = send(client, dataset, f"{dataset}/load", data_date=DAY, dry_run="on")
    job = client.get("/v1" + first.headers["location"]).json()
    today = send(client, dataset, f"{dataset}/load")

    assert (job["data_date"], job["dry_run"], job["force"]) == (DAY, True, False)
    assert today.status_code == 422  # there is no file of today
    assert ledger.value("SELECT count(*) FROM adsp.jobs") == 1


def test_a_range_tells_what_became_of_each_day(client: httpx.Client, dataset: str) -> None:
    page = send(client, dataset, f"{dataset}/backfill", **{"from": "2026-01-01", "to": DAY})

    assert page.status_code == 200
    assert re.search(rf"<td>{DAY}</td><td><a href=\"/jobs/", page.text)
    assert "<td>2026-01-01</td><td></td><td><strong>source-missing</strong>" in page.text


def test_a_wrong_range_is_refused_saying_why(client: httpx.Client, dataset: str) -> None:
    answer = send(client, dataset, f"{dataset}/backfill", **{"from": DAY, "to": "2026-01-01"})

    assert problem_of(answer)[:2] == (422, "invalid-request")
    assert "'to' lies before 'from'" in answer.json()["detail"]


def test_a_dataset_is_paused_resumed_and_deleted_after_it_was_asked_for(
    client: httpx.Client, dataset: str
) -> None:
    def do(action: str) -> str:
        return send(client, f"{dataset}/{action}", f"{dataset}/{action}").headers["location"]

    assert do("pause") == dataset
    assert "Paused since" in client.get(dataset).text
    assert do("resume") == dataset
    assert "Paused since" not in client.get(dataset).text
    assert do("delete") == "/datasets"
    assert client.get(dataset).status_code == 404


def test_the_history_is_drawn(client: httpx.Client, dataset: str, ledger: Ledger) -> None:
    for rows in (5, 10):
        ledger.execute(
            "INSERT INTO adsp.jobs (id, dataset, definition, definition_version, data_date, source, trigger, state,"
            " started_at, finished_at, rows_read, rows_loaded)"
            " VALUES (uuidv7(), 'items', '{}', 1, %s, 'x', 'api', 'succeeded', now() - interval '2 s', now(), %s, %s)",
            datetime.now(UTC).date(),
            rows,
            rows,
        )
    page = client.get(dataset).text

    assert "Rows loaded, at most 10" in page
    assert '<rect class="fill-loaded" x="0" y="50.0" width="8" height="50.0"/>' in page
    assert "Duration, at most 2.0 s" in page


def test_when_it_is_due_next_is_shown(client: httpx.Client, dataset: str) -> None:
    client.patch("/v1/datasets/items", json={"schedule": {"cron": "0 0 1 1 *"}})
    year = datetime.now(UTC).year + 1

    assert f"Next due: {year}-01-01 00:00:00 UTC" in client.get(dataset).text


def test_only_what_the_key_may_do_is_offered(
    client: httpx.Client, dataset: str, guarded: httpx.Client, make_key: MakeKey
) -> None:
    def offered(scope: str) -> tuple[bool, bool]:
        headers = {"Authorization": f"Bearer {make_key('read', scope)}"}
        text = guarded.get(dataset, headers=headers).text
        return "Load a day" in text, f"{dataset}/delete" in text

    assert offered("read") == (False, False)
    assert offered("submit") == (True, False)
    assert offered("admin") == (True, True)
    reader = {"Authorization": f"Bearer {make_key('read', 'submit')}"}
    assert guarded.post(f"{dataset}/delete", headers=reader, data={"x": ""}).status_code == 403


def test_a_definition_that_is_refused_by_now_is_shown_with_the_reason(
    client: httpx.Client, dataset: str, ledger: Ledger
) -> None:
    ledger.execute('UPDATE adsp.datasets SET definition = definition || \'{"mode": "<b>odd</b>"}\'')
    page = client.get(dataset)

    assert page.status_code == 200
    assert "It cannot be loaded" in page.text
    assert "<b>odd" not in page.text
