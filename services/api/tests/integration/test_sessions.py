"""People sign in to the console with a key; the session is theirs alone, and ends when it should."""

import re
from collections.abc import Iterator

import httpx
import pytest

from services.api.tests.integration.api_bench import (
    ITEMS,
    Ledger,
    MakeKey,
    SettingsWith,
    problem_of,
    serving,
)

PAGE = {"Accept": "text/html"}


@pytest.fixture
def browser(guarded: httpx.Client) -> Iterator[httpx.Client]:
    """Return a client that keeps cookies and asks for pages."""
    with httpx.Client(base_url=guarded.base_url, headers=PAGE, trust_env=False) as made:
        yield made


def sign_in(browser: httpx.Client, key: str, goes_on: str = "/jobs") -> httpx.Response:
    return browser.post("/sign-in", data={"key": key, "next": goes_on})


def csrf_in(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found
    return found[1]


def test_who_is_not_signed_in_is_led_to_the_page_and_back(
    browser: httpx.Client, make_key: MakeKey
) -> None:
    asked = browser.get("/jobs?state=failed&text=a%26b")
    address = asked.headers["location"]
    page = browser.get(address)
    goes_on = re.search(r'name="next" value="([^"]*)"', page.text)
    assert goes_on
    begun = sign_in(browser, make_key("read"), goes_on[1].replace("&amp;", "&"))

    assert asked.status_code == 303
    assert page.status_code == 200
    assert begun.status_code == 303
    assert begun.headers["location"] == "/jobs?state=failed&text=a%26b"
    assert browser.get(begun.headers["location"]).status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browser: httpx.Client, make_key: MakeKey, ledger: Ledger
) -> None:
    cookie = sign_in(browser, make_key("read")).headers["set-cookie"]
    token = browser.cookies["adsp_session"]

    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie  # it came by plain HTTP, as it does on loopback
    assert token not in str(ledger.execute("SELECT * FROM adsp.sessions"))


def test_over_https_the_cookie_is_sent_by_https_alone(
    browser: httpx.Client, make_key: MakeKey
) -> None:
    forwarded = {"X-Forwarded-Proto": "https"}
    answer = browser.post("/sign-in", data={"key": make_key("read")}, headers=forwarded)

    assert "Secure" in answer.headers["set-cookie"]


def test_a_wrong_key_is_refused_and_kept_nowhere(
    browser: httpx.Client, make_key: MakeKey, ledger: Ledger
) -> None:
    key = make_key("read")
    for wrong in (key[:-1] + ("0" if key[-1] != "0" else "1"), "", "x" * 5000, "ключ"):
        answer = sign_in(browser, wrong)

        assert answer.status_code == 401
        assert "was revoked" in answer.text
        assert not wrong or wrong not in answer.text
    assert ledger.value("SELECT count(*) FROM adsp.sessions") == 0


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil", "x"])
def test_nobody_is_led_elsewhere(browser: httpx.Client, make_key: MakeKey, elsewhere: str) -> None:
    assert sign_in(browser, make_key("read"), elsewhere).headers["location"] == "/"


def test_a_session_survives_a_restart_of_the_api(
    browser: httpx.Client, make_key: MakeKey, settings_with: SettingsWith
) -> None:
    sign_in(browser, make_key("read"))
    with serving(settings_with(auth=True)) as restarted:
        restarted.cookies.set("adsp_session", browser.cookies["adsp_session"])

        assert restarted.get("/jobs", headers=PAGE).status_code == 200


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE adsp.sessions SET expires_at = now()",
        "DELETE FROM adsp.sessions",
        "UPDATE adsp.api_keys SET revoked_at = now()",
    ],
)
def test_a_session_that_is_over_is_none(
    browser: httpx.Client, make_key: MakeKey, ledger: Ledger, end: str
) -> None:
    sign_in(browser, make_key("read"))
    before = browser.get("/jobs").status_code
    ledger.execute(end)
    after = browser.get("/jobs?state=failed")

    assert before == 200
    assert after.headers["location"] == "/sign-in?next=%2Fjobs%3Fstate%3Dfailed"
    assert browser.get("/jobs", headers={"HX-Request": "true"}).headers["hx-refresh"] == "true"


def test_signing_out_ends_the_session_everywhere(
    browser: httpx.Client, make_key: MakeKey, ledger: Ledger
) -> None:
    sign_in(browser, make_key("read"))
    token = browser.cookies["adsp_session"]
    answer = browser.post("/sign-out", data={"csrf": csrf_in(browser.get("/jobs"))})
    browser.cookies.set("adsp_session", token)

    assert answer.headers["location"] == "/sign-in"
    assert browser.get("/jobs").status_code == 303
    assert [row[0] for row in ledger.execute("SELECT action FROM adsp.audit_log ORDER BY id")] == [
        "session.begin",
        "session.end",
    ]


def test_a_form_without_the_token_of_the_session_is_refused(
    browser: httpx.Client, guarded: httpx.Client, make_key: MakeKey
) -> None:
    sign_in(browser, make_key("admin"))
    for fields in ({"x": ""}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "é"}):
        answer = browser.post("/sign-out", data=fields, headers={"Accept": "*/*"})
        assert problem_of(answer)[:2] == (403, "request-forged")
    assert browser.get("/jobs").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_another_site_signs_nobody_in_or_out(
    browser: httpx.Client, make_key: MakeKey, headers: dict[str, str]
) -> None:
    key, plain = make_key("read"), {"Accept": "*/*", **headers}
    begun = browser.post("/sign-in", data={"key": key}, headers=plain)
    sign_in(browser, key)
    token = csrf_in(browser.get("/jobs"))
    ended = browser.post("/sign-out", data={"csrf": token}, headers=plain)

    assert problem_of(begun)[:2] == (403, "request-forged")
    assert problem_of(ended)[:2] == (403, "request-forged")


def test_the_interface_takes_a_session_with_its_token_alone(
    browser: httpx.Client, make_key: MakeKey
) -> None:
    sign_in(browser, make_key("admin"))
    token = csrf_in(browser.get("/jobs"))
    plain = {"Accept": "*/*"}
    without = browser.put("/v1/datasets/items", json=ITEMS, headers=plain)
    with_it = browser.put(
        "/v1/datasets/items", json=ITEMS, headers={**plain, "X-CSRF-Token": token}
    )

    assert problem_of(without)[:2] == (403, "request-forged")
    assert with_it.status_code == 201
    assert browser.get("/v1/jobs", headers=plain).status_code == 200


def test_guesses_at_the_sign_in_are_counted(settings_with: SettingsWith, make_key: MakeKey) -> None:
    with serving(settings_with(auth=True, requests_per_minute=3)) as limited:
        answers = [limited.post("/sign-in", data={"key": "x"}).status_code for _ in range(5)]

    assert answers[:3] == [401] * 3
    assert 429 in answers[3:]


def test_a_page_shows_what_the_key_may_do(browser: httpx.Client, make_key: MakeKey) -> None:
    sign_in(browser, make_key("read"))
    reader = browser.get("/jobs").text
    sign_in(browser, make_key("admin"))

    assert 'href="/audit"' not in reader
    assert 'href="/audit"' in browser.get("/jobs").text


def test_a_problem_is_a_page_for_a_browser(browser: httpx.Client, make_key: MakeKey) -> None:
    sign_in(browser, make_key("read"))
    answer = browser.get("/jobs", params={"state": "<b>lost</b>"})

    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert "<strong>invalid-request</strong>" in answer.text
    assert "<b>lost" not in answer.text
