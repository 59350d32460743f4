"""The console in a real Chromium: each page and action, narrow and wide, by keyboard, without scripts, and honest."""

import re
from datetime import date
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from libs.devstack.testing.waiting import wait_for
from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import OpenWindow
from tests.browser.site import DATASET, LONG, NASTY, RIGHT_TO_LEFT, Site

SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="session")
def nasty_job(site: Site) -> str:
    """Load a file with hostile failed rows once; return the job's id."""
    site.ensure_dataset()
    job = site.load_nasty(1)
    assert job.state == "completed_with_rejects"
    return str(job.id)


@pytest.fixture
def paths(nasty_job: str) -> list[str]:
    """Return the address of each page."""
    return [
        *(
            "/",
            "/jobs",
            f"/jobs/{nasty_job}",
            f"/jobs/{nasty_job}/replay",
            f"/jobs/{nasty_job}/force",
        ),
        *("/datasets", f"/datasets/{DATASET}", f"/datasets/{DATASET}/edit"),
        *(f"/datasets/{DATASET}/pause", "/audit"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_each_page_can_be_read_by_everybody(
    site: Site, window: OpenWindow, paths: list[str], width: int, scheme: str
) -> None:
    """Axe finds nothing serious, the page is no wider than its window, and nothing is refused by the policy."""
    page = window(width, scheme=scheme).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{site.url}/sign-in")
    assert _serious(page) == []
    site.sign_in(page)
    for path in paths:
        page.goto(site.url + path)
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")

        assert _serious(page) == [], path
        assert overflow <= 0, path
        assert complaints == [], path


def _serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


def test_pages_are_small_and_need_few_requests(site: Site, page: Page, paths: list[str]) -> None:
    for path in paths:
        fresh = page.context.new_page()
        asked = _requests_of(fresh)
        answer = fresh.goto(site.url + path)
        fresh.wait_for_load_state()
        assert answer is not None
        size = len(answer.body())
        fresh.close()

        assert size <= 200_000, path
        assert 0 < len(asked) <= 6, (path, asked)


def _requests_of(page: Page) -> list[str]:
    """Return a list that each request of a page will be put into."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def test_hostile_text_stays_text(site: Site, page: Page, nasty_job: str) -> None:
    page.goto(f"{site.url}/jobs/{nasty_job}")

    assert "ADSP" in page.title()
    assert page.locator("main img, main script").count() == 0
    text = page.locator("main").inner_text()
    assert NASTY.replace('"', '""') in text
    assert RIGHT_TO_LEFT in text
    assert LONG[:400] in text


def test_pages_are_read_without_scripts(
    site: Site, window: OpenWindow, paths: list[str], nasty_job: str
) -> None:
    page = site.sign_in(window(scripts=False).new_page())
    for path in paths:
        page.goto(site.url + path)
        expect(page.locator("h1")).to_be_visible()
    page.goto(f"{site.url}/jobs/{nasty_job}")
    page.get_by_role("link", name="Replay failed rows").click()
    page.get_by_role("button", name="Replay failed rows").click()

    expect(page.locator("dt:text-is('replay of') + dd")).to_have_text(nasty_job)


def test_a_job_is_filtered_and_cancelled_by_keyboard_alone(
    site: Site, page: Page, nasty_job: str
) -> None:
    """The state of the page is in its address; the key Tab reaches what can be done."""
    job = _waiting_job(site)
    page.goto(f"{site.url}/jobs")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    _tab_to(page, "#dataset")
    page.keyboard.type(DATASET)
    _tab_to(page, "#state")
    page.keyboard.type("wait")
    _tab_to(page, "main form button")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"state=waiting"))
    _tab_to(page, f"a[href='/jobs/{job}']")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(job))
    _tab_to(page, f"a[href='/jobs/{job}/cancel']")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/cancel"))
    _tab_to(page, "button.danger")
    page.keyboard.press("Enter")

    expect(page.locator(".state.cancelled").first).to_be_visible()


def _tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(200):
        if page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {selector}")


def _waiting_job(site: Site) -> str:
    """Make a job whose file is not there, and wait until it waits."""
    with site.client() as client:
        job = client.submit(DATASET, data_date=date(2020, 2, 2))
        wait_for(lambda: client.job(job.id).state == "waiting", 30, "the job waits for its file")
        return str(job.id)


def test_a_running_job_is_followed_within_a_second(site: Site, page: Page, nasty_job: str) -> None:
    """What the ledger says stands on the page a second later, with no click; at the end too."""
    job = _waiting_job(site)
    page.goto(f"{site.url}/jobs/{job}")
    expect(page.locator(".state").first).to_have_text("waiting")
    page.wait_for_timeout(1000)  # the stream is open by then
    site.system.execute(
        f"UPDATE adsp.jobs SET state = 'running', started_at = now() WHERE id = '{job}'"
    )
    expect(page.locator("h1 + p .state")).to_have_text("running", timeout=1500)
    page.locator("#log summary").click()
    site.system.execute(
        f"UPDATE adsp.jobs SET state = 'cancelled', finished_at = now() WHERE id = '{job}'"
    )
    expect(page.locator("h1 + p .state")).to_have_text("cancelled", timeout=1500)
    expect(page.locator("#log")).to_have_attribute("open", "")  # it was opened, and has stayed so
    expect(page.locator("#log")).to_contain_text("job_created")


def test_an_expired_session_leads_to_the_sign_in_and_back(
    site: Site, page: Page, nasty_job: str
) -> None:
    page.goto(f"{site.url}/jobs?state=failed")
    site.system.execute("DELETE FROM adsp.sessions")
    page.reload()
    page.get_by_label("API key").fill(site.key)
    page.get_by_role("button", name="Sign in").click()

    page.wait_for_url(f"{site.url}/jobs?state=failed")


def test_a_live_page_notices_that_its_session_is_over(
    site: Site, page: Page, nasty_job: str
) -> None:
    job = _waiting_job(site)
    page.goto(f"{site.url}/jobs/{job}")
    page.wait_for_timeout(1000)
    site.system.execute("DELETE FROM adsp.sessions")
    with site.client() as client:
        client.cancel(job)

    expect(page.get_by_label("API key")).to_be_visible()


def test_the_session_holds_when_the_api_was_restarted(
    site: Site, page: Page, nasty_job: str
) -> None:
    page.goto(f"{site.url}/jobs/{nasty_job}")
    site.system.processes.pop("api").stop(20)
    site.system.start("api")
    site.system.wait_ready()
    page.reload()

    expect(page.locator("h1")).to_contain_text(nasty_job)


def test_a_file_is_sent_from_the_page(
    site: Site, page: Page, nasty_job: str, tmp_path: Path
) -> None:
    path = tmp_path / "sent.csv"
    path.write_text("sku,name,category,price,quantity,updated_at\nsent,n,c,1,1,2026-01-01\n")
    page.goto(f"{site.url}/datasets/{DATASET}")
    page.get_by_label("File (choose, or drop it here)").set_input_files(path)
    page.get_by_role("button", name="Send the file").click()
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}$"))

    expect(page.locator("h1 + p .state")).to_have_text("succeeded", timeout=30_000)


def test_a_file_that_is_refused_says_why(
    site: Site, page: Page, nasty_job: str, tmp_path: Path
) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("")
    page.goto(f"{site.url}/datasets/{DATASET}")
    page.get_by_label("File (choose, or drop it here)").set_input_files(path)
    page.get_by_role("button", name="Send the file").click()

    expect(page.locator(".upload [role=alert]")).to_contain_text("source-empty")


def test_a_dataset_is_paused_and_resumed(site: Site, page: Page, nasty_job: str) -> None:
    page.goto(f"{site.url}/datasets/{DATASET}")
    page.get_by_role("link", name="Pause").click()
    page.get_by_role("button", name=f"Pause {DATASET}").click()
    expect(page.locator(".notice")).to_contain_text("Paused since")
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name=f"Resume {DATASET}").click()

    expect(page.get_by_role("link", name="Pause")).to_be_visible()


def test_the_call_behind_a_button_is_copied(site: Site, window: OpenWindow, nasty_job: str) -> None:
    context: BrowserContext = window()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = site.sign_in(context.new_page())
    page.goto(f"{site.url}/jobs/{nasty_job}/replay")
    page.get_by_text("as curl").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()

    assert f"/v1/jobs/{nasty_job}/replay" in page.evaluate("navigator.clipboard.readText()")


def test_signing_out_ends_it(site: Site, page: Page, nasty_job: str) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{site.url}/sign-in")
    page.goto(f"{site.url}/jobs")

    expect(page.get_by_label("API key")).to_be_visible()
