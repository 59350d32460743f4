"""A definition is edited in a real browser: by keyboard, on a narrow screen, without scripts, and read by everybody."""

import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import OpenWindow
from tests.browser.site import NASTY, Site

SERIOUS = {"serious", "critical"}


@pytest.fixture
def name(site: Site) -> str:
    """Make a dataset with a table of its own; return its name."""
    name = f"edited{time.time_ns()}"
    with site.client() as client:
        client.put_dataset(name, {"table": site.system.make_table(name), "source": "e.csv"})
    return name


def _require_readable(page: Page, *, scripts: bool) -> None:
    assert page.locator("main img, main script").count() == 0
    if scripts:
        found = Axe().run(page).response["violations"]
        assert [each["id"] for each in found if each["impact"] in SERIOUS] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize(("width", "scripts"), [(NARROW, True), (WIDE, True), (WIDE, False)])
def test_a_definition_is_changed_after_a_review(
    site: Site, window: OpenWindow, name: str, width: int, *, scripts: bool
) -> None:
    page = site.sign_in(window(width, scripts=scripts).new_page())
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{site.url}/datasets/{name}")
    page.get_by_role("link", name="Edit", exact=True).click()
    _require_readable(page, scripts=scripts)
    page.get_by_label("delimiter", exact=True).fill("\\t")
    page.get_by_label("min_rows", exact=True).fill("many")
    page.get_by_label("columns (YAML)", exact=True).fill(f"'{NASTY}': null")
    page.get_by_role("button", name="Review", exact=True).click()
    wrong = page.get_by_label("min_rows", exact=True)
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_have_accessible_description(re.compile("valid integer.*Fewer good rows"))
    expect(wrong).to_have_value("many")
    _require_readable(page, scripts=scripts)
    wrong.fill("5")
    page.get_by_role("button", name="Review", exact=True).click()
    changed = page.get_by_role("table").get_by_role("row")
    expect(changed).to_have_count(4)
    expect(changed.nth(2)).to_contain_text(NASTY)
    expect(changed.nth(3)).to_have_text(re.compile(r"min_rows\s*null\s*5"))
    _require_readable(page, scripts=scripts)
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"{site.url}/datasets/{name}")

    with site.client() as client:
        stored = client.dataset(name).definition
    assert (stored["min_rows"], stored["format"]["delimiter"]) == (5, "\t")
    assert stored["columns"] == {NASTY: None}
    # A page that is answered with 422 is named by the browser's console, and nothing else may be.
    assert [text for text in complaints if "422" not in text] == []


def test_a_definition_is_edited_by_keyboard_alone(site: Site, page: Page, name: str) -> None:
    page.goto(f"{site.url}/datasets/{name}/edit")
    _tab_to(page, "#f-mode")
    page.keyboard.type("replace")
    _tab_to(page, "#f-min_rows")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"Review {name}")
    _tab_to(page, "main form button:not(.plain)")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/datasets/{name}")

    with site.client() as client:
        stored = client.dataset(name).definition
    assert (stored["mode"], stored["min_rows"]) == ("replace", 3)


def test_an_error_leads_to_its_field(site: Site, page: Page, name: str) -> None:
    page.goto(f"{site.url}/datasets/{name}/edit")
    page.get_by_role("group", name="schedule").get_by_label("cron").fill("daily")
    page.get_by_role("button", name="Review", exact=True).click()
    page.get_by_role("link", name="schedule.cron").click()

    expect(page.locator("#f-schedule\\.cron")).to_be_in_viewport()
    expect(page.locator("#f-schedule\\.cron")).to_have_value("daily")


def test_two_who_edit_at_once_are_warned(site: Site, page: Page, name: str) -> None:
    other = page.context.new_page()
    for each, rows in ((page, "5"), (other, "6")):
        each.goto(f"{site.url}/datasets/{name}/edit")
        each.get_by_label("min_rows", exact=True).fill(rows)
        each.get_by_role("button", name="Review", exact=True).click()
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"{site.url}/datasets/{name}")
    other.get_by_role("button", name="Save").click()

    expect(other.get_by_role("alert")).to_contain_text("has changed since you opened it")
    expect(other.get_by_role("row").nth(1)).to_have_text(re.compile(r"min_rows\s*5\s*6"))


def _tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(200):
        if page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {selector}")
