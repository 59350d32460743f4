"""The console corrects failed rows by plain forms; nothing that two people write gets lost."""

import re
from html import unescape
from pathlib import Path

import httpx
import pytest

from services.api.tests.integration.api_bench import Ledger

NO_FIELDS = {"csrf": ""}
LINE_ENDS = b'2,"a\r\nb","x\ny",dear,,2026-01-01'


@pytest.fixture
def page(client: httpx.Client) -> httpx.Client:
    """Return a client that asks for pages."""
    client.headers["Accept"] = "text/html"
    return client


@pytest.fixture
def ended(client: httpx.Client, job: str, items: Path, ledger: Ledger) -> str:
    """Return a job that has ended with three failed rows."""
    ledger.plan(job, items)
    ledger.add_failed_row(job, 60, LINE_ENDS, column_name="price")
    ledger.add_failed_row(job, 90, b"3,b,c,cheap,1,<script>", column_name="price", message="<b>&")
    ledger.add_failed_row(job, 120, b'4,"b', stage="parse", error_code="malformed-quote")
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(), rows_read = 3,"
        ' rows_rejected = 3, rejected_by_code = \'{"type-error": 2, "malformed-quote": 1}\''
    )
    ledger.execute("UPDATE adsp.chunks SET state = 'done'")
    return job


def _list(job: str) -> str:
    return f"/jobs/{job}/failed-rows"


def _fields(answer: httpx.Response) -> dict[str, str]:
    """Return the fields of the form of cells, as a browser would send them."""
    form = answer.text.partition('class="cells"')[2].partition("</form>")[0]
    areas = re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>\n([^<]*)</textarea>', form)
    fields = {
        name: unescape(text).replace("\r\n", "\n").replace("\n", "\r\n") for name, text in areas
    }
    checked = re.findall(r'<input type="checkbox" name="([^"]+)" checked>', form)
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {**fields, **dict.fromkeys(checked, "on"), **{n: unescape(v) for n, v in hidden}}


def _draft(client: httpx.Client, job: str) -> list[dict[str, object]]:
    items: list[dict[str, object]] = client.get(f"/v1/jobs/{job}/corrections").json()["items"]
    return items


def test_rows_stand_under_their_header_with_the_bad_cell_marked(
    page: httpx.Client, ended: str
) -> None:
    text = page.get(_list(ended)).text

    assert re.search(r'<th scope="col">price</th>', text)
    assert re.search(r'<td class="bad-cell">\s*cheap', text)
    assert "&lt;script&gt;" in text
    assert "<script>" not in text.partition("<main")[2]
    assert "&lt;b&gt;&amp;" in text
    assert '<td colspan="6"><code>4,&#34;b</code>' in text


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("error_code=malformed-quote", ["122"]),
        ("column=price&text=cheap", ["92"]),
        ("column=&text=&error_code=", ["62", "92", "122"]),
        ("text=nothing", []),
    ],
)
def test_the_filter_stands_in_the_address(
    page: httpx.Client, ended: str, query: str, lines: list[str]
) -> None:
    text = page.get(f"{_list(ended)}?{query}").text

    assert re.findall(r'aria-label="Correct line (\d+)"', text) == lines


def test_pages_follow_each_other(page: httpx.Client, ended: str) -> None:
    first = page.get(f"{_list(ended)}?page_size=2").text
    link = re.search(r'rel="next" href="([^"]+)"', first)
    assert link
    second = page.get(unescape(link[1])).text

    assert re.findall(r'aria-label="Correct line (\d+)"', first) == ["62", "92"]
    assert re.findall(r'aria-label="Correct line (\d+)"', second) == ["122"]


def test_a_form_that_is_sent_as_it_came_corrects_nothing(page: httpx.Client, ended: str) -> None:
    """Browsers write line ends in their own way."""
    fields = _fields(page.get(f"{_list(ended)}/60"))
    answer = page.post(f"{_list(ended)}/60", data=fields)

    assert answer.status_code == 303, answer.text
    assert _draft(page, ended) == []


def test_cells_are_corrected_and_null_is_taken_and_given(page: httpx.Client, ended: str) -> None:
    fields = _fields(page.get(f"{_list(ended)}/60?text=dear"))
    fields |= {"cell.3": "1.50", "cell.4": "7", "null.0": "on", "cell.1": "a\r\nc"}
    answer = page.post(f"{_list(ended)}/60", data=fields)
    [draft] = _draft(page, ended)
    shown = page.get(_list(ended)).text

    assert answer.headers["location"] == f"{_list(ended)}?text=dear"
    assert draft["cells"] == {"sku": None, "name": "a\r\nc", "price": "1.50", "quantity": "7"}
    assert "<del>dear</del> <ins>1.50</ins>" in shown


def test_a_correction_is_taken_back_by_what_stood_there_or_by_its_button(
    page: httpx.Client, ended: str
) -> None:
    path = f"{_list(ended)}/90"
    page.post(path, data={**_fields(page.get(path)), "cell.3": "2"})
    page.post(path, data={**_fields(page.get(path)), "cell.3": "cheap"})
    none = _draft(page, ended)
    page.post(path, data={**_fields(page.get(path)), "discarded": "1"})
    [discarded] = _draft(page, ended)
    page.post(path, data={**_fields(page.get(path)), "reset": "1"})

    assert none == []
    assert discarded["discarded"] is True
    assert _draft(page, ended) == []


def test_of_two_people_the_second_sees_what_the_first_has_written(
    page: httpx.Client, ended: str
) -> None:
    path = f"{_list(ended)}/90"
    fields = _fields(page.get(path))
    page.post(path, data={**fields, "cell.3": "first"})
    late = page.post(path, data={**fields, "cell.3": "second"})
    again = page.post(path, data=_fields(late))
    [draft] = _draft(page, ended)

    assert late.status_code == 409
    assert "corrected by anybody" in late.text
    assert "in the draft by now: <code>first</code>" in late.text
    assert _fields(late)["cell.3"] == "second"
    assert again.status_code == 303
    assert draft["cells"] == {"price": "second"}


def test_a_record_that_cannot_be_cut_is_corrected_as_a_whole(
    page: httpx.Client, ended: str
) -> None:
    path = f"{_list(ended)}/120"
    form = page.get(path)
    hidden = {"back": _list(ended), "version": ""}
    refused = page.post(path, data={**hidden, "record": '5,"b'})
    written = page.post(path, data={**hidden, "record": "5,b,c,1,1,2026-01-01"})
    [draft] = _draft(page, ended)

    assert 'class="cells"' not in form.text
    assert refused.status_code == 422
    assert "not one record" in refused.text
    assert written.status_code == 303
    assert draft["record"] == "5,b,c,1,1,2026-01-01"


@pytest.mark.parametrize(
    ("kind", "given", "after"),
    [
        ("map", {"from": "cheap", "to": "1"}, "1"),
        ("replace", {"from": "ch", "to": "h"}, "heap"),
        ("set_null", {}, None),
    ],
)
def test_a_rule_is_shown_before_it_is_written(
    page: httpx.Client, ended: str, kind: str, given: dict[str, str], after: str | None
) -> None:
    asked = {"kind": kind, "cell": "price", "text": "cheap", **given}
    preview = page.get(f"/jobs/{ended}/corrections/rule", params=asked)
    before = _draft(page, ended)
    version = re.search(r'name="draft_version" value="([^"]+)"', preview.text)
    assert version, preview.text
    written = page.post(
        f"/jobs/{ended}/corrections/rule", data={**asked, "draft_version": version[1]}
    )
    [draft] = _draft(page, ended)

    assert "<code>cheap</code>" in preview.text
    assert before == []
    assert written.headers["location"] == f"{_list(ended)}?text=cheap"
    assert draft["cells"] == {"price": after}


def test_a_rule_that_cannot_be_is_refused_on_its_page(page: httpx.Client, ended: str) -> None:
    unknown = page.get(f"/jobs/{ended}/corrections/rule?kind=trim&cell=colour")
    no_form = page.get(f"/jobs/{ended}/corrections/rule?kind=date_format&cell=price&from=x%25")

    assert unknown.status_code == 422
    assert "has no cell &#39;colour&#39;" in unknown.text
    assert no_form.status_code == 422


def test_the_draft_is_checked_loaded_once_and_closed(page: httpx.Client, ended: str) -> None:
    page.put(f"/v1/jobs/{ended}/corrections/120", json={"discarded": True})
    check = page.post(f"/jobs/{ended}/corrections/check", data=NO_FIELDS)
    checked = page.get(_list(ended)).text
    asked = page.get(f"/jobs/{ended}/corrections/replay").text
    loaded, again = (
        page.post(f"/jobs/{ended}/corrections/replay", data=NO_FIELDS) for _ in range(2)
    )
    closed = page.get(_list(ended)).text

    assert check.status_code == 303
    assert check.headers["location"].removeprefix("/jobs/") in checked
    assert "1 as they are corrected" in asked
    assert loaded.headers["location"] == again.headers["location"]
    assert "has taken up these rows" in closed
    assert "Check without loading" not in closed


def test_all_corrections_are_taken_back_as_they_were_seen(page: httpx.Client, ended: str) -> None:
    page.put(f"/v1/jobs/{ended}/corrections/120", json={"discarded": True})
    asked = page.get(f"/jobs/{ended}/corrections/clear").text
    version = re.search(r'name="draft_version" value="([^"]+)"', asked)
    assert version
    page.put(f"/v1/jobs/{ended}/corrections/90", json={"discarded": True})
    late = page.post(f"/jobs/{ended}/corrections/clear", data={"draft_version": version[1]})

    assert late.status_code == 409
    assert len(_draft(page, ended)) == 2
