"""What is shown is text: nothing in it can become a part of the page."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from libs.common.enums import JobState, Trigger
from services.api.app import CONSOLE
from services.api.middleware.authentication import is_of_api
from services.api.pagination import Page
from services.api.routes.job_log import JobLogDocument
from services.api.schemas import JobDocument, JobErrorDocument
from services.api.web.forms import read_form, require_script
from services.api.web.job_details import JobDetails
from services.api.web.pages import render

COUNTS = ("rows_loaded", "rows_rejected", "rows_superseded", "bytes_done", "attempt")
JOB_ID = UUID("01a20bb0-ed59-716e-a450-60748f27550b")

NOTHING = JobDetails(phases=[], chunks=0, chunks_done=0, loaders=[], groups=[], events=[])
FRAME: dict[str, Any] = {
    "path": "/", "who": None, "may_admin": False, "csrf": "", "is_signed_in": False,
}  # fmt: skip


class _Read(HTMLParser):
    """The elements, texts and addresses of a page, as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.links: list[str | None] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _job(text: str = "") -> JobDocument:
    shown: dict[str, Any] = dict.fromkeys(JobDocument.model_fields)
    shown |= {
        "id": JOB_ID,
        "dataset": "items",
        "source": text,
        "state": JobState.FAILED,
        "trigger": Trigger.API,
        **dict.fromkeys(COUNTS, 0),
        "rows_read": 1234567,
        "finished_at": None,
        "created_at": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "error": JobErrorDocument(code="source-missing", message=text),
        "warnings": [],
    }
    return JobDocument.model_construct(None, **shown)


def _page(job: JobDocument, dashboard: str | None = None) -> str:
    none: Page[object] = Page(items=[], next_page_token=None)
    shown = render(
        "job.html", {}, **FRAME, job=job, is_live=False, dashboard=dashboard, replays=[], reasons=[],
        failed=none, page_size=50, details=NOTHING, speed=None, offers=[], may_submit=False, files=none, runbook=None,
        most_grouped=1, log=JobLogDocument(items=[], kept_seconds=60),
    )  # fmt: skip
    return bytes(shown.body).decode()


def _jobs(jobs: list[JobDocument], token: str | None = None) -> str:
    page = Page[JobDocument](items=jobs, next_page_token=token)
    shown = render(
        "jobs.html",
        {},
        **FRAME,
        jobs=page,
        filters={"dataset": "a & b"},
        counts=[],
        triggers=[],
        most_counted=1,
    )
    return bytes(shown.body).decode()


PLAIN = _Read(_page(_job("x"), "x"))


@given(text=st.text(min_size=1), link=st.text(min_size=1))
def test_text_and_attributes_come_back_as_they_were(text: str, link: str) -> None:
    """No character that ends an attribute or begins an element is left as it is."""
    read = _Read(_page(_job(text), link))

    assert read.tags == PLAIN.tags
    assert link in read.links
    assert text in read.texts
    assert f": {text}" in read.texts


def test_numbers_moments_and_what_is_not_there_are_shown_for_people() -> None:
    page = _page(_job())

    assert "<dt>read</dt><dd>1,234,567</dd>" in page
    assert "<dt>finished</dt>" not in page
    assert '<span class="state failed">failed</span>' in page


def test_the_next_page_is_asked_for_with_the_same_filters() -> None:
    assert "/jobs?dataset=a+%26+b&page_token=t%3D" in _Read(_jobs([_job()], "t=")).links
    assert "Next page" not in _jobs([_job()])


def test_a_list_without_jobs_says_so() -> None:
    page = _jobs([])

    assert "There are no jobs here." in page
    assert "<table>" not in page


def test_what_a_page_was_not_given_is_an_error_and_no_empty_place() -> None:
    with pytest.raises(UndefinedError, match="filters"):
        render("jobs.html", {}, **FRAME, jobs=Page[object](items=[], next_page_token=None))


def test_every_form_of_the_console_is_read_with_its_token() -> None:
    """A route that takes a POST without `read_form` would take it from another site's page."""
    posts = [
        route
        for module in CONSOLE
        for route in module.router.routes
        if isinstance(route, APIRoute) and "POST" in (route.methods or ())
    ]

    assert posts
    for route in posts:
        called = {each.call for each in route.dependant.dependencies}
        assert called & {read_form, require_script}, route.path
        assert not is_of_api(route.path), "the interface has a rule of its own"
