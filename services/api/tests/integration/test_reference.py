"""The reference of the interface needs nothing but this api: no other origin, no inline script, no key."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx
import pytest

from services.api.tests.integration.api_bench import problem_of
from services.api.web.reference import ASSETS


class _Parts(HTMLParser):
    """Collect what a page refers to, and what stands in its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.inline = ""
        self._is_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_code = tag in {"script", "style"}
        self.references += [value or "" for name, value in attrs if name in {"src", "href"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]

    def handle_endtag(self, tag: str) -> None:
        self._is_code = False

    def handle_data(self, data: str) -> None:
        self.inline += data.strip() if self._is_code else ""


@pytest.fixture
def page(served: httpx.Client) -> httpx.Response:
    """Return the page."""
    return served.get("/docs").raise_for_status()


def test_the_page_refers_to_this_api_alone(served: httpx.Client, page: httpx.Response) -> None:
    """Before, it loaded a script from elsewhere, in the origin that browsers send the password to."""
    parts = _Parts()
    parts.feed(page.text)
    fetched = [each for each in parts.references if not each.startswith("data:")]
    addresses = [urljoin(str(page.url), each) for each in fetched]

    assert len(fetched) == 4
    assert all(address.startswith(str(served.base_url)) for address in addresses)
    assert [served.get(address).status_code for address in addresses] == [200] * 4
    assert (parts.inline, parts.handlers) == ("", [])


def test_the_policy_lets_nothing_else_run(page: httpx.Response) -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";")
    )

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_its_files_are_what_they_are_said_to_be(served: httpx.Client, name: str) -> None:
    """With `nosniff` a browser takes no script of another type."""
    answer = served.get(f"/docs/{name}")
    fetched = re.findall(r"url\(\s*[\"']?([a-z]+:|//)", answer.text) if "css" in name else []

    assert answer.headers["content-type"] == f"{ASSETS[name]}; charset=utf-8"
    assert set(fetched) <= {"data:"}


def test_the_page_shows_the_version_that_the_interface_is_described_in(
    served: httpx.Client,
) -> None:
    """An older Swagger UI refuses OpenAPI 3.1."""
    described = served.get("/openapi.json").json()["openapi"]
    [version] = re.findall(
        r'PACKAGE_VERSION:"([\d.]+)"', served.get("/docs/swagger-ui-bundle.js").text
    )

    assert described.startswith("3.1")
    assert tuple(map(int, version.split("."))) >= (5, 0, 0)


def test_other_files_are_not_there(served: httpx.Client) -> None:
    for name in ("redoc.standalone.js", "oauth2-redirect"):
        assert problem_of(served.get(f"/docs/{name}"))[:2] == (404, "path-unknown")
