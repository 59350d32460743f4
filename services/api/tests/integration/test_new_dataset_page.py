"""A dataset is made from a file in the console, by plain forms too; what was typed is never lost."""

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from services.api.tests.integration.api_bench import Ledger, MakeKey, SettingsWith, serving

LINES = "id;Tag;<b>\r\n1;31.12.2026;5,50\r\n2;01.02.2026;x\r\n"


@pytest.fixture(scope="module")
def made(settings_with: SettingsWith) -> Iterator[httpx.Client]:
    """Serve an api that may make tables in one schema, and give a client that asks for pages."""
    with serving(settings_with(create_tables_in=["feed"])) as client:
        client.headers["Accept"] = "text/html"
        yield client


@pytest.fixture
def page(made: httpx.Client, ledger: Ledger) -> Iterator[httpx.Client]:
    """Return the client; the schema is there during the test."""
    ledger.execute(
        "CREATE SCHEMA feed; GRANT CREATE, USAGE ON SCHEMA feed TO adsp_api, adsp_loader"
    )
    yield made
    ledger.execute("DROP SCHEMA feed CASCADE")


def _fields(text: str) -> dict[str, str]:
    """Return what a browser would send of the form that makes the dataset."""
    form = text.partition('action="/new-dataset/create"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'<input[^>]* name="([^"]+)" value="([^"]*)"', form))
    area = re.search(r'<textarea[^>]* name="definition"[^>]*>\n([^<]*)</textarea>', form)
    assert area, text
    box = {"make_table": "on"} if 'name="make_table" checked' in form else {}
    return {
        name: unescape(value) for name, value in {**fields, "definition": area[1]}.items()
    } | box


def _look(page: httpx.Client, **more: str) -> httpx.Response:
    data = {"filename": "stock-2026-11-24.csv", "table": "feed.stock", "text": LINES, **more}
    return page.post("/new-dataset", data=data)


def test_pasted_lines_become_a_table_and_a_dataset(page: httpx.Client, ledger: Ledger) -> None:
    seen = _look(page)
    created = page.post("/new-dataset/create", data=_fields(seen.text))
    shown = page.get(created.headers["location"])

    assert seen.status_code == 200, seen.text
    assert "&lt;b&gt;" in seen.text
    assert "<td><b>" not in seen.text
    assert created.status_code == 303, created.text
    assert created.headers["location"] == "/datasets/stock"
    assert "stock-{data_date}.csv" in shown.text
    assert ledger.value("SELECT has_table_privilege('adsp_loader', 'feed.stock', 'INSERT')")


def test_a_file_is_looked_at_by_the_script(page: httpx.Client) -> None:
    answer = page.post(
        "/new-dataset/inspect",
        params={"filename": "stock.csv", "table": "public.items"},
        content=b"sku,nothing\n1,2\n",
        headers={"Content-Type": "application/octet-stream"},
    )

    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert "which is there" in answer.text
    assert "left out: the table has none like it" in answer.text


def test_statements_are_shown_where_no_table_may_be_made(page: httpx.Client) -> None:
    seen = _look(page, table="public.stock")

    assert "CREATE TABLE &#34;public&#34;.&#34;stock&#34;" in seen.text
    assert "ADSP_CREATE_TABLES_IN" in seen.text
    assert "make_table" not in _fields(seen.text)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "Not A Name", "pattern"),
        ("definition", "table: [", "no YAML that can be read"),
        ("definition", "table: feed.stock\nmode: some", "mode"),
        ("definition", "a: &a [1]\ntable: *a", "without aliases"),
        ("definition", "", "dict"),
        ("definition", "table: feed.stock\n# [[\nformat: " + "[" * 90_000, "YAML"),
        ("definition", "- " * 45_000, "YAML"),
        ("definition", "table: " + "1:" * 60_000 + "1", "100000 characters"),
    ],
)
def test_what_was_typed_stays_when_it_is_refused(
    page: httpx.Client, field: str, value: str, says: str
) -> None:
    fields = {**_fields(_look(page).text), field: value}
    answer = page.post("/new-dataset/create", data=fields)
    again = _fields(answer.text) if value else fields

    assert answer.status_code == 422
    assert says in answer.text.partition('role="alert"')[2].partition("</p>")[0]
    assert again[field] == value
    assert again["name"] == fields["name"]


def test_lines_that_cannot_be_read_are_refused_on_the_page(page: httpx.Client) -> None:
    answer = _look(page, text=" \r\n")

    assert answer.status_code == 422
    assert "holds no text" in answer.text


def test_what_another_site_sends_is_refused(guarded: httpx.Client, make_key: MakeKey) -> None:
    """The session's cookie comes with it, the token does not."""
    with httpx.Client(base_url=guarded.base_url, trust_env=False) as browser:
        browser.post("/sign-in", data={"key": make_key("admin"), "next": "/"})
        token = re.search(r'name="csrf" value="([0-9a-f]{64})"', browser.get("/new-dataset").text)
        assert token
        headers = {"Content-Type": "application/octet-stream"}
        sent = [
            browser.post("/new-dataset/inspect", content=b"a,b\n1,2\n", headers=more)
            for more in (headers, {**headers, "X-CSRF-Token": token[1]})
        ]

    assert [answer.status_code for answer in sent] == [403, 200]
