"""Failed rows are fixed in a real browser and loaded once; also without scripts, narrow, and by two people."""

import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from libs.client.models import Job
from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import OpenWindow
from tests.browser.site import LONG, NASTY, Site

SERIOUS = {"serious", "critical"}


@pytest.fixture
def job(site: Site) -> Job:
    """Load a file of which three rows fail, one of them with hostile text."""
    site.ensure_dataset()
    unique = time.time_ns()
    site.write(
        2,
        f"g{unique},good,c,1,1,2026-01-01",
        f'a{unique},"{NASTY.replace(chr(34), chr(34) * 2)}",c, free ,1,2026-01-01',
        f"b{unique},{LONG},c, free ,1,2026-01-01",
        f"c{unique},n,c,1,many,2026-01-01",
        suffix=f"-fix-{unique}",
    )
    for path in site.system.incoming.glob("prices-*"):
        if f"-fix-{unique}" not in path.name:
            path.unlink()
    loaded = site.load(2)
    assert (loaded.state, loaded.rows_rejected) == ("completed_with_rejects", 3)
    return loaded


def _serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [each["id"] for each in found if each["impact"] in SERIOUS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_pages_can_be_read_by_everybody(
    site: Site, window: OpenWindow, job: Job, width: int, scheme: str
) -> None:
    page = site.sign_in(window(width, scheme=scheme).new_page())
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    with site.client() as client:
        places = [row.place for row in client.failed_rows(job.id)]
        client.corrections(job.id).put(places[0], cells={"price": "1"})
    for path in (
        "failed-rows",
        "failed-rows?column=price",
        f"failed-rows/{places[0]}",
        f"failed-rows/{places[1]}",
        "corrections/rule?kind=trim&cell=price",
        "corrections/replay",
        "corrections/clear",
    ):
        answer = page.goto(f"{site.url}/jobs/{job.id}/{path}")
        assert answer is not None
        assert answer.ok, path
        assert _serious(page) == [], path
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, path
        assert page.locator("main img, main script").count() == 0
        assert len(answer.body()) <= 200_000
    assert complaints == []


@pytest.mark.parametrize("scripts", [True, False])
def test_rows_are_fixed_checked_and_loaded(
    site: Site, window: OpenWindow, job: Job, *, scripts: bool
) -> None:
    page = site.sign_in(window(scripts=scripts).new_page())
    page.goto(f"{site.url}/jobs/{job.id}")
    page.get_by_role("link", name="Look at them, and correct them").click()
    expect(page.locator("td.bad-cell").first).to_have_text("free")

    page.get_by_text("Correct all of these rows by a rule").click()
    page.get_by_label("Cell", exact=True).select_option("price")
    page.get_by_label("What to do").select_option("map")
    page.get_by_label("From (text").fill(" free ")
    page.get_by_label("To (text").fill("0.5")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.locator("main")).to_contain_text("Of 3 rows it changes 2.")
    page.get_by_role("button", name="Write it into the draft").click()

    page.get_by_role("link", name="Correct line 5").click()
    page.get_by_label("quantity (refused)").fill("12")
    page.get_by_role("button", name="Keep these cells").click()
    expect(page.locator("td.changed")).to_have_count(3)

    page.get_by_role("button", name="Check without loading").click()
    page.wait_for_url(f"{site.url}/jobs/*")
    check = page.url.rpartition("/")[2]
    with site.client() as client:
        checked = client.wait(client.job(check), seconds=60)
        assert (checked.state, checked.rows_loaded, checked.rows_rejected) == ("checked", 3, 0)
        page.goto(f"{site.url}/jobs/{job.id}/failed-rows")
        expect(page.locator("main")).to_contain_text("3 rows would be loaded")

        page.get_by_role("link", name="Load the rows").click()
        page.get_by_role("button", name="Load the corrected rows").click()
        page.wait_for_url(f"{site.url}/jobs/*")
        replay = client.wait(client.job(page.url.rpartition("/")[2]), seconds=60)
    page.goto(f"{site.url}/jobs/{job.id}/failed-rows")

    assert (replay.state, replay.rows_loaded) == ("succeeded", 3)
    expect(page.locator("main")).to_contain_text("has taken up these rows")
    expect(page.get_by_role("link", name="Load the rows")).to_have_count(0)


def test_a_sheet_is_got_corrected_and_sent_back(
    site: Site, page: Page, job: Job, tmp_path: Path
) -> None:
    page.goto(f"{site.url}/jobs/{job.id}/failed-rows?column=quantity")
    page.get_by_text("Correct them in a spreadsheet").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="these rows as CSV").click()
    sheet = tmp_path / "sheet.csv"
    text = download.value.path().read_text()
    sheet.write_text(text.replace("many,", "12,3,", 1))
    page.get_by_label("Corrected sheet").set_input_files(sheet)
    page.get_by_role("button", name="Write it into the draft").click()
    expect(page.get_by_role("alert")).to_contain_text("line 2: it has")

    sheet.write_text(text.replace("many,", "12,", 1))
    page.get_by_label("Corrected sheet").set_input_files(sheet)
    page.get_by_role("button", name="Write it into the draft").click()
    page.wait_for_url(f"{site.url}/jobs/{job.id}/failed-rows")

    expect(page.locator("td.changed ins")).to_have_text("12")


def test_two_people_do_not_overwrite_each_other(site: Site, page: Page, job: Job) -> None:
    with site.client() as client:
        place = [row.place for row in client.failed_rows(job.id)][2]
    address = f"{site.url}/jobs/{job.id}/failed-rows/{place}"
    other = page.context.new_page()
    for each in (page, other):
        each.goto(address)
    page.get_by_label("quantity (refused)").fill("1")
    page.get_by_role("button", name="Keep these cells").click()
    other.get_by_label("quantity (refused)").fill("2")
    other.get_by_role("button", name="Keep these cells").click()

    expect(other.get_by_role("alert")).to_contain_text("corrected by ops")
    expect(other.get_by_label("quantity (refused)")).to_have_value("2")
    expect(other.locator("main")).to_contain_text("in the draft by now: 1")
    other.get_by_role("button", name="Keep these cells").click()
    with site.client() as client:
        [correction] = client.corrections(job.id)
    assert correction.cells == {"quantity": "2"}


def test_a_cell_is_corrected_by_keyboard_alone(site: Site, page: Page, job: Job) -> None:
    page.goto(f"{site.url}/jobs/{job.id}/failed-rows")
    _tab_to(page, "[aria-label='Correct line 5']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/failed-rows/*")
    _tab_to(page, ".bad-cell textarea")
    page.keyboard.press("Control+a")
    page.keyboard.type("7")
    _tab_to(page, "form.cells button")
    page.keyboard.press("Enter")

    expect(page.locator("td.changed ins")).to_have_text("7")


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"no Tab leads to {selector}")
