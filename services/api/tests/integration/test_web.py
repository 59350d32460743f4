"""The pages show what the API knows, to people, and trust no text in it."""

import hashlib
import re
from pathlib import Path

import httpx
import pytest

from services.api.tests.integration.api_bench import Ledger, SettingsWith, problem_of, serving

_RAW = re.compile(r"<code>.*?</code>", re.DOTALL)
EVIL = b"<script>alert('x')</script>,\"><img src=x onerror=alert(1)>"


@pytest.fixture
def planned(job: str, items: Path, ledger: Ledger) -> str:
    """Return a job that is loading and has failed rows."""
    ledger.plan(job, items)
    ledger.add_failed_row(
        job, 0, EVIL, message="<b>bold</b>", column_name="price", sqlstate="22P02"
    )
    for offset in (70, 140):
        ledger.add_failed_row(job, offset, b"2,short", stage="parse", error_code="missing-cell")
    return job


def _links(page: httpx.Response) -> list[str]:
    return [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]*)"', page.text)]


def test_the_list_leads_to_each_job(client: httpx.Client, planned: str) -> None:
    page = client.get("/jobs")
    link = f"/jobs/{planned}"

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert link in _links(page)
    assert client.get(link).status_code == 200


def test_a_job_is_explained(client: httpx.Client, planned: str) -> None:
    """State, counts by reason, and line, text and reason of each failed row."""
    text = client.get(f"/jobs/{planned}").text

    assert '<span class="state running">running</span>' in text
    assert "<strong>missing-cell</strong> 2" in text
    assert "<strong>type-error</strong> 1" in text
    assert '<td class="number">72</td><td><code>2,short</code></td>' in text
    assert "<td>price</td><td>22P02</td>" in text


def test_what_was_odd_and_allowed_is_shown(
    client: httpx.Client, planned: str, ledger: Ledger
) -> None:
    warnings = '[{"code": "shrunk", "message": "<b>half</b>", "counts": {"rows_loaded": 5000}}]'
    ledger.execute("UPDATE adsp.jobs SET warnings = %s", warnings)

    text = client.get(f"/jobs/{planned}").text

    assert "<td>shrunk</td><td>&lt;b&gt;half&lt;/b&gt;</td><td>rows_loaded 5,000</td>" in text
    assert client.get(f"/v1/jobs/{planned}").json()["warnings"] == [
        {"code": "shrunk", "message": "<b>half</b>", "counts": {"rows_loaded": 5000}}
    ]


def test_a_row_cannot_become_a_part_of_the_page(client: httpx.Client, planned: str) -> None:
    text = client.get(f"/jobs/{planned}").text

    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in text
    assert not re.search(r"<(script(?! src)|img|b)\b", text)


@pytest.mark.parametrize(
    "path", ["/", "/jobs", "/jobs/{job}", "/datasets", "/datasets/items", "/audit"]
)
def test_the_browser_runs_and_fetches_files_of_the_api_alone(
    client: httpx.Client, planned: str, path: str
) -> None:
    """No script or style of a page itself passes the policy, and none is in it."""
    page = client.get(path.format(job=planned))
    policy = page.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"style=|<style|<script>|\bon\w+=", _RAW.sub("", page.text))
    links = [link for link in _links(page) if link not in {"#main", "data:,"}]
    assert all(link.startswith("/") for link in links)


def test_the_files_of_pages_may_be_kept_and_change_their_address(client: httpx.Client) -> None:
    found = re.findall(r'(?:href|src)="(/static/[^"]*)"', client.get("/jobs").text)

    assert len(found) == 3
    for address in found:
        answer = client.get(address)
        digest = hashlib.sha256(answer.content).hexdigest()
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert address.endswith(f"?v={digest[:12]}")
    assert problem_of(client.get("/static/jinja2"))[:2] == (404, "path-unknown")


def test_every_link_of_a_page_leads_somewhere(client: httpx.Client, planned: str) -> None:
    for start in ("/", "/jobs", f"/jobs/{planned}"):
        for link in set(_links(client.get(start))) - {"#main", "data:,"}:
            assert client.get(link).status_code in {200, 409}, link


def test_lists_are_cut_into_pages(client: httpx.Client, planned: str) -> None:
    client.post("/v1/jobs", json={"dataset": "items", "data_date": "2026-01-02"})
    jobs = client.get("/jobs", params={"page_size": 1, "dataset": "items"})
    (next_jobs,) = (link for link in _links(jobs) if "page_token" in link)
    rows = client.get(f"/jobs/{planned}", params={"page_size": 2})
    (next_rows,) = (link for link in _links(rows) if "page_token" in link)

    assert f"/jobs/{planned}" not in _links(jobs)
    assert f"/jobs/{planned}" in _links(client.get(next_jobs))
    assert [
        text.count('<td class="number">142</td>')
        for text in (rows.text, client.get(next_rows).text)
    ] == [
        0,
        1,
    ]


def test_job_and_replay_are_linked(
    client: httpx.Client, planned: str, ledger: Ledger, upload_dir: Path
) -> None:
    ledger.execute("UPDATE adsp.chunks SET state = 'done'")
    ledger.execute("UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now()")
    answer = client.post(f"/v1/jobs/{planned}/replay", content=b"sku\n1\n")
    replay = answer.json()["id"]

    assert Path(answer.json()["source"]).is_relative_to(upload_dir)
    assert f"/jobs/{replay}" in _links(client.get(f"/jobs/{planned}"))
    assert f"/jobs/{planned}" in _links(client.get(f"/jobs/{replay}"))


def test_a_job_leads_to_the_dashboard_of_its_dataset_where_grafana_is_known(
    client: httpx.Client, planned: str, settings_with: SettingsWith
) -> None:
    with serving(settings_with(grafana_url="http://grafana:3000/")) as knowing:
        links = [link for link in _links(knowing.get(f"/jobs/{planned}")) if "/d/" in link]

    [link] = links
    assert link.startswith("http://grafana:3000/d/adsp-daily-loads?var-dataset=items&from=")
    assert link.endswith("&to=now")
    assert "/d/" not in client.get(f"/jobs/{planned}").text


def test_what_is_not_there_is_a_problem(client: httpx.Client) -> None:
    unknown = "01a20bb0-ed59-716e-a450-60748f27550b"

    assert problem_of(client.get(f"/jobs/{unknown}"))[:2] == (404, "job-unknown")
    assert problem_of(client.get("/jobs", params={"state": "lost"}))[:2] == (422, "invalid-request")


def test_reasons_are_shown_by_column_with_three_examples(
    client: httpx.Client, planned: str, ledger: Ledger
) -> None:
    for offset in range(1000, 1005):
        ledger.add_failed_row(
            planned, offset, b"x,%d" % offset, column_name="quantity", message="no"
        )
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(), rows_read = 8, rows_rejected = 8,"
        ' rejected_by_code = \'{"type-error": 6, "missing-cell": 2}\''
    )
    text = client.get(f"/jobs/{planned}").text

    assert '<td>type-error</td><td>quantity</td><td class="number">5</td>' in text
    assert '<td>type-error</td><td>price</td><td class="number">1</td>' in text
    assert [f"<code>x,{offset}</code><br>" in text for offset in range(1000, 1005)] == [
        *[True] * 3,
        *[False] * 2,
    ]


def test_the_accounting_is_a_bar_and_words(
    client: httpx.Client, planned: str, ledger: Ledger
) -> None:
    ledger.execute("UPDATE adsp.jobs SET rows_read = 8, rows_loaded = 6, rows_rejected = 2")
    ledger.execute(
        "UPDATE adsp.chunks SET state = 'done', finished_at = now(), rows_read = 8, rows_loaded = 6, rows_rejected = 2"
    )
    text = client.get(f"/jobs/{planned}").text

    assert 'aria-label="loaded 6, rejected 2"' in text
    assert '<rect class="fill-rejected" x="750.00" y="0" width="250.00" height="10"/>' in text


def _button(page: httpx.Response) -> dict[str, str]:
    """Return the fields of the one form of a page that asks."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))


def _send(client: httpx.Client, path: str) -> httpx.Response:
    """Press the button of a page that asks."""
    return client.post(path, data=_button(client.get(path)))


def test_a_job_is_cancelled_after_it_was_asked_for(client: httpx.Client, job: str) -> None:
    path = f"/jobs/{job}/cancel"
    offered = client.get(f"/jobs/{job}")
    asked = client.get(path)
    done = _send(client, path)

    assert path in _links(offered)
    assert "stops within seconds" in asked.text
    assert f"/v1/jobs/{job}/cancel" in asked.text
    assert done.headers["location"] == f"/jobs/{job}"
    assert client.get(f"/v1/jobs/{job}").json()["state"] == "cancelled"
    assert path not in _links(client.get(f"/jobs/{job}"))
    assert problem_of(client.get(path))[:2] == (409, "action-not-possible")


@pytest.mark.parametrize("action", ["retry", "force"])
def test_a_source_is_loaded_again_once_however_often_the_button_is_pressed(
    client: httpx.Client, job: str, ledger: Ledger, action: str
) -> None:
    client.post(f"/v1/jobs/{job}/cancel")
    path = f"/jobs/{job}/{action}"
    fields = _button(client.get(path))
    made = {client.post(path, data=fields).headers["location"] for _ in range(2)}
    [page] = made
    new = client.get(f"/v1{page}").json()

    assert new["id"] != job
    assert (new["data_date"], new["force"]) == ("2026-01-02", action == "force")
    assert ledger.value("SELECT count(*) FROM adsp.jobs") == 2


def test_failed_rows_are_replayed_from_the_page(
    client: httpx.Client, planned: str, ledger: Ledger, upload_dir: Path
) -> None:
    ledger.execute("UPDATE adsp.chunks SET state = 'done', rows_read = 3, rows_rejected = 3")
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'completed_with_rejects', finished_at = now(), rows_read = 3, rows_rejected = 3"
    )
    page = _send(client, f"/jobs/{planned}/replay").headers["location"]

    assert client.get(f"/v1{page}").json()["replay_of"] == planned


def test_files_and_phases_are_shown(client: httpx.Client, planned: str, ledger: Ledger) -> None:
    ledger.execute("UPDATE adsp.jobs SET fingerprint = repeat('ab', 32)")
    ledger.execute("UPDATE adsp.chunks SET started_at = now()")
    text = client.get(f"/jobs/{planned}").text

    assert f"<code>{'ab' * 32}</code>" in text
    assert [f"<td>{name}</td>" in text for name in ("waited", "planned", "loaded", "finished")] == [
        *[True] * 3,
        False,
    ]
    assert "not over yet" in text


def test_a_job_whose_chunks_were_removed_says_so(
    client: httpx.Client, planned: str, ledger: Ledger
) -> None:
    ledger.execute("DELETE FROM adsp.chunks")
    ledger.execute(
        "UPDATE adsp.jobs SET state = 'succeeded', finished_at = now(), rows_read = 3, rows_loaded = 3,"
        " chunks_removed_at = '2026-11-20 12:00Z'"
    )
    text = client.get(f"/jobs/{planned}").text
    job = client.get(f"/v1/jobs/{planned}").json()

    assert "removed on" in text
    assert "<td>planned and loaded</td>" in text
    assert (job["rows_loaded"], job["chunks_removed_at"], job["load_paths"]) == (
        3,
        "2026-11-20T12:00:00Z",
        None,
    )
