"""A file is dropped in a real browser, and its dataset made: with scripts from the file, without from pasted lines."""

import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import OpenWindow
from tests.browser.site import NASTY, Site

SERIOUS = {"serious", "critical"}


@pytest.mark.parametrize(("width", "scripts"), [(NARROW, True), (WIDE, True), (WIDE, False)])
def test_a_file_becomes_a_dataset(
    site: Site, window: OpenWindow, tmp_path: Path, width: int, *, scripts: bool
) -> None:
    name = f"stock{time.time_ns()}"
    lines = f"id;day;{NASTY.replace(';', '')}\n1;31.12.2026;{NASTY}\n2;broken\n"
    path = tmp_path / f"{name}-2026-11-24.csv"
    path.write_text(lines)
    page = site.sign_in(window(width, scripts=scripts).new_page())
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{site.url}/datasets")
    page.get_by_role("link", name="New dataset from a file").click()
    if scripts:
        page.get_by_label("File (choose, or drop it here)").set_input_files(path)
        page.get_by_role("button", name="Look at the file").click()
    else:
        page.get_by_text("Or paste its first lines").click()
        page.get_by_label("Name of the file").fill(path.name)
        page.get_by_label("First lines, whole ones").fill(lines)
        page.get_by_role("button", name="Look at the lines").click()

    expect(page.locator("#seen h2")).to_have_text(path.name)
    expect(page.locator("#seen")).to_contain_text("1 of 2 records")
    assert page.locator("main img, main script").count() == 0
    if scripts:
        found = Axe().run(page).response["violations"]
        assert [each["id"] for each in found if each["impact"] in SERIOUS] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert complaints == []

    statements = page.locator("#seen pre").inner_text()
    site.system.execute(statements)
    page.get_by_role("button", name="Make the dataset").click()
    page.wait_for_url(f"{site.url}/datasets/{name}")
    with site.client() as client:
        job = client.wait(client.load(name, path), seconds=60)
    assert (job.rows_loaded, job.rows_rejected) == (1, 1)
