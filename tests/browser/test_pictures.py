"""Take the pictures that the documents show; `./dev pictures` keeps them in docs/images."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import DATASET, Site

FOLDER_VARIABLE = "ADSP_PICTURES"
LARGEST = 80_000
LAST_DAY = (
    "last1,Milk,dairy,free,1,2026-01-01",
    "last2,Oat drink,dairy,2,many,2026-01-01",
    "last3,Tea,hot,1,1,2026-01-01",
)
STOCK = """store;sku;counted_on;price;note
1;A-100;24.11.2026;1.234,50;
1;A-101;24.11.2026;9,90;"seasonal; until May"
2;A-100;24.11.2026;1.229,00;
2;B-7;24.11.2026;12,00;broken label;or not
"""


@pytest.fixture
def shown(site: Site) -> dict[str, str]:
    """Load two weeks of a dataset; return the address of each page by the picture's name."""
    site.ensure_dataset()
    for left in site.system.incoming.glob(f"{DATASET}-*"):
        left.unlink()
    for days_ago in range(14, 1, -1):
        bad = [f"bad{days_ago},n,c,free,1,2026-01-01"] if days_ago % 5 == 0 else []
        good = [
            f"s{days_ago}-{n},Milk {n},dairy,{n}.5,{n},2026-01-01"
            for n in range(40 + 7 * days_ago % 30)
        ]
        site.write(days_ago, *good, *bad)
        if days_ago != 7:
            site.load(days_ago)
    site.write(1, *LAST_DAY)
    job = site.load(1)
    return {
        "console-overview": "/",
        "console-jobs": f"/jobs?dataset={DATASET}&page_size=8",
        "console-job": f"/jobs/{job.id}",
        "console-failed-rows": f"/jobs/{job.id}/failed-rows",
        "console-rule": f"/jobs/{job.id}/corrections/rule?kind=set_null&cell=price",
        "console-dataset": f"/datasets/{DATASET}",
        "console-definition": f"/datasets/{DATASET}/edit#f-schedule",
        "console-audit": f"/audit?object=dataset/{DATASET}",
    }


def test_each_page_has_its_picture(
    site: Site, page: Page, shown: dict[str, str], tmp_path: Path
) -> None:
    folder = Path(os.environ.get(FOLDER_VARIABLE, tmp_path))
    page.set_viewport_size({"width": 900, "height": 520})
    for name, path in shown.items():
        page.goto(site.url + path)
        take_picture(page, folder / f"{name}.png")


def test_a_file_that_was_looked_at_has_its_picture(site: Site, page: Page, tmp_path: Path) -> None:
    folder = Path(os.environ.get(FOLDER_VARIABLE, tmp_path))
    path = tmp_path / "stock-2026-11-24.csv"
    path.write_text(STOCK)
    page.set_viewport_size({"width": 900, "height": 690})
    page.goto(f"{site.url}/new-dataset")
    page.get_by_label("File (choose, or drop it here)").set_input_files(path)
    page.get_by_role("button", name="Look at the file").click()
    expect(page.locator("#seen h2")).to_have_text(path.name)
    page.mouse.click(1, 1)  # nothing is marked
    take_picture(page, folder / "console-new-dataset.png")


def take_picture(page: Page, picture: Path) -> None:
    """Take a picture, which must not weigh too much for the documents."""
    page.screenshot(path=picture, animations="disabled")

    assert picture.stat().st_size <= LARGEST, picture.name
