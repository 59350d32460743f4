"""Show jobs as pages to read: the list, and one job with its counts, reasons and failed rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from urllib.parse import urlencode

from libs.common.enums import LIVE_STATES, ErrorCode, JobState
from services.api.pagination import Page
from services.api.schemas import FailedRowDocument, JobDocument
from services.api.web.elements import Html, element, joined, page

REFRESH_SECONDS = 5
RAW_SHOWN = 2_000
COUNTS = ("rows_read", "rows_loaded", "rows_rejected", "rows_superseded")
LISTED = ("created_at", "dataset", "data_date", "state", "trigger", *COUNTS)
DETAILS = (
    "dataset", "data_date", "source", "state", "trigger", "force", "created_at", "started_at", "finished_at",
    "cancel_requested_at", "attempt", "bytes_done", "bytes_total", *COUNTS,
)  # fmt: skip


def jobs_page(jobs: Page[JobDocument], filters: Mapping[str, str]) -> str:
    """Return the list of jobs, the newest first."""
    rows = ((_job_link(job.id), *(_cell(job, name) for name in LISTED)) for job in jobs.items)
    return page(
        "ADSP: jobs",
        _navigation(),
        element("h1", "Jobs"),
        element("p", "Shown: ", ", ".join(f"{k} {v}" for k, v in filters.items()))
        if filters
        else None,
        _table(("job", *LISTED), rows) if jobs.items else element("p", "There are no jobs here."),
        _next_link("/", filters, jobs.next_page_token),
    )


def job_page(
    job: JobDocument,
    reasons: Sequence[tuple[ErrorCode, int]],
    failed: Page[FailedRowDocument],
    replays: Sequence[JobDocument],
    page_size: int,
    dashboard: str | None = None,
) -> str:
    """Return one job: what it is, what became of its records, and why some failed; link its dataset's dashboard."""
    return page(
        f"ADSP: job {job.id}",
        _navigation(),
        element("h1", "Job ", element("code", job.id)),
        _error(job),
        _warnings(job),
        _table(("field", "value"), [(name, _cell(job, name)) for name in DETAILS]),
        _dashboard(job, dashboard),
        _relatives(job, replays),
        _reasons(reasons),
        _failed_rows(job, failed, page_size),
        refresh_seconds=REFRESH_SECONDS if job.state in LIVE_STATES else None,
    )


def _navigation() -> Html:
    states = [element("a", state.value, href=f"/?state={state.value}") for state in JobState]
    return element(
        "nav", element("a", "all jobs", href="/"), *states, element("a", "API", href="/docs")
    )


def _job_link(job_id: object) -> Html:
    return element("a", element("code", job_id), href=f"/jobs/{job_id}")


def _cell(job: JobDocument, name: str) -> object:
    """Return what a table shows of one field of a job."""
    value = getattr(job, name)
    if name == "state":
        return element("span", value.value, class_=value.value)
    if name == "dataset":
        return element("a", value, href=f"/?dataset={value}")
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S %Z")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else value


def _table(names: Iterable[str], rows: Iterable[Iterable[object]]) -> Html:
    head = element("tr", *(element("th", name.replace("_", " ")) for name in names))
    body = (element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element("table", element("thead", head), element("tbody", *body))


def _error(job: JobDocument) -> Html | None:
    if job.error is None:
        return None
    return element("p", element("strong", job.error.code), ": ", job.error.message, class_="failed")


def _warnings(job: JobDocument) -> Html | None:
    if not job.warnings:
        return None
    rows = (
        (each.code, each.message, ", ".join(f"{k} {v:,}" for k, v in each.counts.items()))
        for each in job.warnings
    )
    return joined(element("h2", "Warnings"), _table(("warning", "message", "counts"), rows))


def _dashboard(job: JobDocument, url: str | None) -> Html | None:
    return (
        None if url is None else element("p", element("a", f"dashboard of {job.dataset}", href=url))
    )


def _relatives(job: JobDocument, replays: Sequence[JobDocument]) -> Html:
    """Link the jobs that this one has to do with."""
    named = [
        ("duplicate of", job.duplicate_of),
        ("outdated by", job.outdated_by),
        ("replay of", job.replay_of),
    ]
    named += [(f"replayed ({replay.state.value}) by", replay.id) for replay in replays]
    return joined(
        element("p", element("a", "files", href=f"/v1/jobs/{job.id}/files")),
        *(element("p", text, " ", _job_link(other)) for text, other in named if other),
    )


def _reasons(reasons: Sequence[tuple[ErrorCode, int]]) -> Html | None:
    if not reasons:
        return None
    rows = [(code.value, f"{count:,}") for code, count in reasons]
    return joined(element("h2", "Failed rows by reason"), _table(("reason", "rows"), rows))


def _failed_rows(job: JobDocument, failed: Page[FailedRowDocument], page_size: int) -> Html | None:
    """Show a page of the failed rows, each with its place, its text and the reason."""
    if not failed.items:
        return None
    path = f"/v1/jobs/{job.id}/failed-rows"
    rows = (
        (PurePath(row.file).name, f"{row.line_number:,}", element("code", _shortened(row.raw)),
         row.error_code.value, row.column or "", row.sqlstate or "", row.message)
        for row in failed.items
    )  # fmt: skip
    return joined(
        element("h2", "Failed rows"),
        element(
            "p",
            element("a", "with reasons, as CSV", href=f"{path}?format=csv"),
            " · ",
            element("a", "as in the source, to correct", href=f"{path}?format=source"),
        ),
        _table(("file", "line", "raw", "reason", "column", "SQLSTATE", "message"), rows),
        _next_link(f"/jobs/{job.id}", {"page_size": page_size}, failed.next_page_token),
    )


def _shortened(raw: str) -> str:
    return raw if len(raw) <= RAW_SHOWN else raw[:RAW_SHOWN] + "…"


def _next_link(path: str, filters: Mapping[str, object], token: str | None) -> Html | None:
    if token is None:
        return None
    query = urlencode({**filters, "page_token": token})
    return element("p", element("a", "next page", href=f"{path}?{query}"))
