"""Take the pictures that the documents show; `./dev pictures` keeps them in docs/images."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.site import DATASET, Site

FOLDER_VARIABLE = "ADSP_PICTURES"
LARGEST = 80_000
LAST_DAY = (
    "last1,Milk,dairy,free,1,2026-01-01",
    "last2,Oat drink,dairy,2,many,2026-01-01",
    "last3,Tea,hot,1,1,2026-01-01",
)


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
        picture = folder / f"{name}.png"
        page.screenshot(path=picture, animations="disabled")

        assert picture.stat().st_size <= LARGEST, name
